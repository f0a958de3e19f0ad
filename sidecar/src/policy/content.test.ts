import assert from 'node:assert/strict';
import { test } from 'node:test';
import { policyOf, type RuleLists, request } from '../../../test/harness/rules.ts';
import { canNarrow, registryHosts, registryNames } from './registry.ts';

interface Case {
  readonly name: string;
  readonly policy: RuleLists;
  readonly allowed?: readonly string[];
  readonly denied?: readonly string[];
}

const coder = { host: 'github.com', owner: 'coder', name: 'coder' };
const fetch = 'GET https://github.com/coder/coder.git/info/refs?service=git-upload-pack';
const push = 'GET https://github.com/coder/coder.git/info/refs?service=git-receive-pack';
const oid = 'a'.repeat(64);

const cases: readonly Case[] = [
  {
    name: 'a repository is read through its git endpoints alone',
    policy: { allow: [{ repos: [coder] }] },
    allowed: [
      fetch,
      fetch.replace('.git', ''),
      'POST https://github.com/coder/coder/git-upload-pack',
      'POST https://github.com/coder/coder.git/info/lfs/objects/batch',
      'GET https://github.com/coder/coder.git/info/lfs/locks?limit=1',
      `GET https://github.com/coder/coder.git/info/lfs/objects/${oid}`,
      `GET https://github.com/coder/coder.git/gitlab-lfs/objects/${oid}/12`,
    ],
    denied: [
      push,
      'GET https://github.com/coder/coder/info/refs',
      `${fetch}&service=git-receive-pack`,
      'GET https://github.com/coder/coder/info/refs?service=git-receive-pack&service=git-upload-pack',
      'GET https://github.com/coder/coder/info/refs?%73ervice=git-receive-pack&service=git-upload-pack',
      'GET https://github.com/coder/coder/info/refs?service=git%2Dupload-pack',
      'POST https://github.com/coder/coder/git-receive-pack',
      'GET https://github.com/coder/coder',
      'GET https://github.com/coder/coder/settings',
      'GET https://github.com/coder/coder/x/info/refs?service=git-upload-pack',
      'GET https://github.com/coder/other/info/refs?service=git-upload-pack',
      'GET https://github.com/x/coder/info/refs?service=git-upload-pack',
      fetch.replace('https', 'http'),
      fetch.replace('github.com', 'api.github.com'),
      'POST https://github.com/coder/coder.git/info/lfs/locks',
      `PUT https://github.com/coder/coder.git/info/lfs/objects/${oid}`,
      'POST https://github.com/coder/coder.git/info/refs?service=git-upload-pack',
    ],
  },
  {
    name: 'access: write adds the push',
    policy: { allow: [{ repos: [coder], access: 'write' }] },
    allowed: [
      fetch,
      push,
      'POST https://github.com/coder/coder.git/git-receive-pack',
      `PUT https://github.com/coder/coder.git/info/lfs/objects/${oid}/12`,
      'POST https://github.com/coder/coder.git/info/lfs/locks/7/unlock',
      'POST https://github.com/coder/coder.git/info/lfs/locks/verify',
    ],
    denied: [
      'DELETE https://github.com/coder/coder',
      'GET https://github.com/coder/coder.git/info/refs?service=x',
    ],
  },
  {
    name: 'stars for owner and name',
    policy: { allow: [{ repos: [{ host: 'git.x', owner: 'team', name: '*' }] }] },
    allowed: [
      'GET https://git.x/team/a.git/info/refs?service=git-upload-pack',
      'POST https://git.x/team/b/git-upload-pack',
    ],
    denied: [
      'GET https://git.x/other/a.git/info/refs?service=git-upload-pack',
      'POST https://git.x/team/b/c/git-upload-pack',
    ],
  },
  {
    name: 'a denied repository is closed with everything below it, in every spelling',
    policy: { allow: [{ domains: ['github.com'] }], deny: [{ repos: [coder] }] },
    allowed: [
      'GET https://github.com/coder/code',
      'GET https://github.com/coder/coder2',
      'GET https://github.com/coder',
    ],
    denied: [
      fetch,
      'GET https://github.com/coder/coder',
      'GET https://github.com/coder/coder.git',
      'GET https://github.com/Coder/CODER/issues/1',
      'GET http://github.com/coder//coder/issues',
      'GET https://github.com/coder%2Fcoder/issues',
    ],
  },
  {
    name: 'a registry gives downloads, over https',
    policy: { allow: [{ registries: ['npm', 'debian'] }] },
    allowed: [
      'GET https://registry.npmjs.org/left-pad',
      'HEAD https://registry.npmjs.org/left-pad/-/left-pad-1.3.0.tgz',
      'GET https://deb.debian.org/debian/dists/stable/InRelease',
    ],
    denied: [
      'PUT https://registry.npmjs.org/left-pad',
      'POST https://registry.npmjs.org/-/npm/v1/security/audits',
      'GET http://registry.npmjs.org/left-pad',
      'GET https://registry.npmjs.org:8443/left-pad',
      'GET https://www.npmjs.com/',
    ],
  },
  {
    name: 'npm, narrowed',
    policy: { allow: [{ registries: ['npm'], packages: ['@coder/*', 'left-pad'] }] },
    allowed: [
      'GET https://registry.npmjs.org/left-pad',
      'GET https://registry.npmjs.org/left-pad/1.3.0',
      'GET https://registry.npmjs.org/left-pad/-/left-pad-1.3.0.tgz',
      'GET https://registry.npmjs.org/@coder%2Fx',
      'GET https://registry.npmjs.org/%40coder%2Fx',
      'GET https://registry.npmjs.org/@coder/x/-/x-1.0.0.tgz',
      'GET https://registry.npmjs.org/-/npm/v1/keys',
    ],
    denied: [
      'GET https://registry.npmjs.org/right-pad',
      'GET https://registry.npmjs.org/@evil/coder',
      'GET https://registry.npmjs.org/@coder',
      'GET https://registry.npmjs.org/-/v1/search?text=left-pad',
      'GET https://registry.npmjs.org/Left-Pad',
      'GET https://registry.npmjs.org/',
    ],
  },
  {
    name: 'pypi, narrowed',
    policy: { allow: [{ registries: ['pypi'], packages: ['Foo.Bar', 'requests'] }] },
    allowed: [
      'GET https://pypi.org/simple/foo-bar/',
      'GET https://pypi.org/simple/foo_bar/',
      'GET https://pypi.org/pypi/requests/json',
      'GET https://pypi.org/pypi/requests/2.0.0/json',
      'GET https://files.pythonhosted.org/packages/ab/cd/ef01/requests-2.32.0-py3-none-any.whl',
      'GET https://files.pythonhosted.org/packages/ab/cd/ef01/requests-2.32.0-py3-none-any.whl.metadata',
      'GET https://files.pythonhosted.org/packages/ab/cd/ef01/foo_bar-1.0.tar.gz',
      'GET https://files.pythonhosted.org/packages/ab/cd/ef01/Foo-Bar-1.0.zip',
    ],
    denied: [
      'GET https://pypi.org/simple/',
      'GET https://pypi.org/simple/requests2/',
      'GET https://pypi.org/search/?q=requests',
      'GET https://files.pythonhosted.org/packages/ab/cd/ef01/requests-2-1.0.tar.gz',
      'GET https://files.pythonhosted.org/packages/ab/cd/ef01/requests_x-1.0-py3-none-any.whl',
      'GET https://files.pythonhosted.org/packages/ab/cd/ef01/evil-1.0.tar.gz',
    ],
  },
  {
    name: 'crates, narrowed',
    policy: { allow: [{ registries: ['crates'], packages: ['serde_json', 'a', 'abc'] }] },
    allowed: [
      'GET https://index.crates.io/config.json',
      'GET https://index.crates.io/se/rd/serde_json',
      'GET https://index.crates.io/1/a',
      'GET https://index.crates.io/3/a/abc',
      'GET https://static.crates.io/crates/serde_json/serde_json-1.0.0.crate',
      'GET https://static.crates.io/crates/serde-json/1.0.0/download',
      'GET https://crates.io/api/v1/crates/serde_json/1.0.0/download',
    ],
    denied: [
      'GET https://index.crates.io/se/rd/serde',
      'GET https://index.crates.io/ev/il/serde_json',
      'GET https://static.crates.io/crates/serde/serde-1.0.0.crate',
      'GET https://crates.io/api/v1/crates?q=a',
    ],
  },
  {
    name: 'go, narrowed',
    policy: { allow: [{ registries: ['go'], packages: ['github.com/coder/*', 'github.com/Azure/sdk'] }] },
    allowed: [
      'GET https://proxy.golang.org/github.com/coder/serpent/@v/list',
      'GET https://proxy.golang.org/github.com/coder/coder/v2/@v/v2.0.0.zip',
      'GET https://proxy.golang.org/github.com/!azure/sdk/@latest',
      'GET https://sum.golang.org/lookup/github.com/coder/serpent@v0.1.0',
      'GET https://sum.golang.org/tile/8/0/x001/234',
      'GET https://proxy.golang.org/sumdb/sum.golang.org/supported',
    ],
    denied: [
      'GET https://proxy.golang.org/github.com/evil/x/@v/list',
      'GET https://proxy.golang.org/github.com/azure/sdk/@latest',
      'GET https://sum.golang.org/lookup/github.com/evil/x@v0.1.0',
      'GET https://proxy.golang.org/sumdb/sum.golang.org/lookup/github.com/evil/x@v1.0.0',
      'GET https://proxy.golang.org/',
    ],
  },
  {
    name: 'a denied package is denied in every spelling and with every method',
    policy: {
      allow: [{ domains: ['registry.npmjs.org', 'pypi.org'] }],
      deny: [{ registries: ['npm', 'pypi'], packages: ['@evil/x', 'Bad.One'] }],
    },
    allowed: ['GET https://registry.npmjs.org/left-pad', 'GET https://pypi.org/simple/good/'],
    denied: [
      'GET https://registry.npmjs.org/@evil%2Fx',
      'GET https://registry.npmjs.org/@evil/x/-/x-1.tgz',
      'PUT https://registry.npmjs.org/@EVIL%2fx',
      'GET https://registry.npmjs.org//@evil//x',
      'GET https://pypi.org/simple/bad_one/',
      'GET http://pypi.org/simple/BAD-ONE',
    ],
  },
  {
    name: 'packages where URLs do not name them: nothing is allowed, everything denied',
    policy: {
      allow: [{ registries: ['debian'], packages: ['curl'] }, { registries: ['ubuntu'] }],
      deny: [{ registries: ['ubuntu'], packages: ['curl'] }],
    },
    denied: [
      'GET https://deb.debian.org/debian/pool/main/c/curl/curl.deb',
      'GET https://archive.ubuntu.com/ubuntu/x',
    ],
  },
];

for (const { name, policy: lists, allowed = [], denied = [] } of cases) {
  test(name, () => {
    const policy = policyOf(lists);
    for (const text of allowed) assert.equal(policy.decide(request(text)).allowed, true, text);
    for (const text of denied) assert.equal(policy.decide(request(text)).allowed, false, text);
  });
}

test('every registry has hosts, and four can be narrowed', () => {
  assert.ok(registryNames.every((name) => registryHosts(name).length > 0));
  assert.deepEqual(registryNames.filter(canNarrow), ['npm', 'pypi', 'crates', 'go']);
});
