import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { allowing, auditLine, behindBoundary, ca, nameClient, told } from '../harness/behind-boundary.ts';
import { startCorporateProxy } from '../harness/corporate-proxy.ts';
import { type Handler, startUpstream } from '../harness/upstream.ts';
import { gitHandler, makeRepository } from './git-server.ts';
import { npmRegistry, pipIndex } from './package-sources.ts';

// Real clients and the rules that name a registry or a repository, under the names they have in the world: an upstream
// proxy leads all of them to one server here.

const directory = mkdtempSync(join(tmpdir(), 'boundary-registries-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const fresh = () => mkdtempSync(join(directory, 'd-'));

async function world(hosts: readonly string[], handler: Handler) {
  const upstream = await startUpstream({ tls: { ca, hosts }, handler });
  const proxy = await startCorporateProxy(upstream.port);
  return {
    upstream,
    proxy,
    run: (policy: string, script: string, env: NodeJS.ProcessEnv = {}) =>
      behindBoundary({ policy, flags: ['--upstream-proxy', proxy.url], env }, 'sh', '-c', script),
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]();
      await upstream.close();
    },
  };
}

test('npm install by `registry: npm` narrowed to packages', async () => {
  await using npm = await world(
    ['registry.npmjs.org'],
    npmRegistry(fresh(), () => 'https://registry.npmjs.org'),
  );
  const script =
    'npm install --no-audit --no-fund --fetch-retries=0 left-behind && node -p "require(\'left-behind\')"';
  const allowed = await npm.run(allowing('registry: npm\n    packages: [left-behind]'), script);
  assert.match(allowed.stdout, /\n42\n$/, told(allowed));
  auditLine(allowed, {
    verdict: 'allow',
    url: 'https://registry.npmjs.org/left-behind/-/left-behind-1.0.0.tgz',
    status: 200,
  });
  const seen = npm.upstream.bytes();
  const denied = await npm.run(allowing('registry: npm\n    packages: [right-behind]'), script);
  assert.match(denied.stderr, /code E403/, told(denied));
  assert.equal(npm.upstream.bytes(), seen);
  auditLine(denied, { verdict: 'deny', url: 'https://registry.npmjs.org/left-behind' });
});

test('pip install by `registry: pypi` narrowed to packages', async () => {
  const index = pipIndex(fresh());
  await using pypi = await world(['pypi.org', 'files.pythonhosted.org'], index);
  const script =
    'python3 -m pip download -q --retries 0 --no-cache-dir --no-deps --index-url https://pypi.org/simple left-behind; ls';
  const denied = await pypi.run(allowing('registry: pypi\n    packages: [right-behind]'), script);
  assert.doesNotMatch(denied.stdout, /whl/, told(denied));
  assert.equal(pypi.upstream.bytes(), 0);
  auditLine(denied, { verdict: 'deny', url: 'https://pypi.org/simple/left-behind/' });
  const allowed = await pypi.run(allowing('registry: pypi\n    packages: [left-behind]'), script);
  // This index keeps its files below its own host, where no package of PyPI lies.
  auditLine(allowed, { verdict: 'allow', url: 'https://pypi.org/simple/left-behind/', status: 200 });
});

test('git clone by `repo: github.com/acme/*`, and a push that it does not allow', async () => {
  const root = fresh();
  makeRepository(root, 'acme', 'tool');
  makeRepository(root, 'other', 'else');
  await using github = await world(['github.com'], gitHandler(root));
  const clone = 'git clone -q https://github.com/acme/tool && cat tool/README.md';
  const policy = allowing('repo: github.com/acme/*');
  const push = `${clone} && cd tool && git -c user.name=T -c user.email=t@e.test commit -q --allow-empty -m Second && git push -q origin main`;
  // http-backend has no tool without .git: the repository's name there is what the directory is called.
  execFileSync('cp', ['-r', join(root, 'acme/tool.git'), join(root, 'acme/tool')]);
  const result = await github.run(policy, push, { GIT_TERMINAL_PROMPT: '0' });
  assert.equal(result.stdout, 'behind the boundary\n', told(result));
  assert.match(result.stderr, /The requested URL returned error: 403/);
  assert.deepEqual(
    github.upstream.requests.filter(({ url }) => url.includes('receive-pack')),
    [],
  );
  const other = await github.run(policy, 'git clone -q https://github.com/other/else.git');
  assert.notEqual(other.code, 0, told(other));
  assert.deepEqual(
    github.upstream.requests.filter(({ url }) => url.includes('/other/')),
    [],
  );
});

/** A Go module proxy (go.dev/ref/mod, section "GOPROXY protocol") that holds one module. */
function goProxy(): Handler {
  const module = 'example.test/left@v1.0.0';
  const dir = join(fresh(), module);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'go.mod'), 'module example.test/left\n\ngo 1.20\n');
  writeFileSync(join(dir, 'left.go'), 'package left\n\nfunc Answer() int { return 42 }\n');
  const archive = join(fresh(), 'module.zip');
  const script =
    'import os, sys, zipfile\nz = zipfile.ZipFile(sys.argv[1], "w")\nfor n in ("go.mod", "left.go"): z.write(os.path.join(sys.argv[2], n), sys.argv[3] + "/" + n)\nz.close()';
  execFileSync('python3', ['-c', script, archive, dir, module]);
  const bodies: Record<string, Buffer> = {
    list: Buffer.from('v1.0.0\n'),
    'v1.0.0.info': Buffer.from('{"Version":"v1.0.0","Time":"2024-01-01T00:00:00Z"}'),
    'v1.0.0.mod': readFileSync(join(dir, 'go.mod')),
    'v1.0.0.zip': readFileSync(archive),
  };
  return (request, response) => {
    const body = bodies[request.url?.replace('/example.test/left/@v/', '') ?? ''];
    response.statusCode = body === undefined ? 404 : 200;
    response.end(body ?? 'not found');
  };
}

const has = (program: string) => {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
};

test('go mod download by `registry: go` narrowed to modules', {
  skip: has('go') ? false : 'go is not installed',
}, async (context) => {
  nameClient(context, 'go', 'version');
  await using go = await world(['proxy.golang.org'], goProxy());
  const script =
    'mkdir m && cd m && go mod init example.test/mine && go get example.test/left@v1.0.0 && cat go.mod';
  const env = {
    GONOSUMDB: '*',
    GONOSUMCHECK: '1',
    GOFLAGS: '-mod=mod -modcacherw',
    GOPROXY: 'https://proxy.golang.org',
    GOTOOLCHAIN: 'local',
  };
  const denied = await go.run(allowing('registry: go\n    packages: [example.test/right]'), script, env);
  assert.match(denied.stderr, /403 Forbidden/, told(denied));
  assert.equal(go.upstream.bytes(), 0);
  auditLine(denied, { verdict: 'deny', method: 'GET', status: 403 });
  const allowed = await go.run(allowing('registry: go\n    packages: [example.test/left]'), script, env);
  assert.match(allowed.stdout, /example\.test\/left v1\.0\.0/, told(allowed));
  auditLine(allowed, {
    verdict: 'allow',
    url: 'https://proxy.golang.org/example.test/left/@v/v1.0.0.zip',
    status: 200,
  });
});

/** A sparse index and its one crate (doc.rust-lang.org/cargo/reference/registry-index.html). */
function crates(): Handler {
  const dir = join(fresh(), 'left-1.0.0');
  mkdirSync(join(dir, 'src'), { recursive: true });
  writeFileSync(join(dir, 'Cargo.toml'), '[package]\nname = "left"\nversion = "1.0.0"\nedition = "2021"\n');
  writeFileSync(join(dir, 'src/lib.rs'), 'pub fn answer() -> i32 { 42 }\n');
  const archive = execFileSync('tar', ['-czf', '-', '-C', join(dir, '..'), 'left-1.0.0']);
  const cksum = createHash('sha256').update(archive).digest('hex');
  const entry = { name: 'left', vers: '1.0.0', deps: [], cksum, features: {}, yanked: false };
  return (request, response) => {
    if (request.url === '/config.json')
      response.end('{"dl":"https://static.crates.io/crates","api":"https://crates.io"}');
    else if (request.url === '/le/ft/left') response.end(`${JSON.stringify(entry)}\n`);
    else if (request.url?.endsWith('/left/1.0.0/download')) response.end(archive);
    else {
      response.statusCode = 404;
      response.end();
    }
  };
}

test('cargo fetch by `registry: crates` narrowed to packages', {
  skip: has('cargo') ? false : 'cargo is not installed',
}, async (context) => {
  nameClient(context, 'cargo', '--version');
  await using cargo = await world(['index.crates.io', 'static.crates.io', 'crates.io'], crates());
  const script =
    'mkdir -p m/src && cd m && touch src/lib.rs && printf \'[package]\\nname = "mine"\\nversion = "0.1.0"\\nedition = "2021"\\n[dependencies]\\nleft = "1"\\n\' > Cargo.toml && cargo fetch && ls "$HOME"/.cargo/registry/cache/*/';
  const env = { CARGO_NET_RETRY: '0' };
  const denied = await cargo.run(allowing('registry: crates\n    packages: [right]'), script, env);
  assert.match(denied.stderr, /403/, told(denied));
  assert.deepEqual(
    cargo.upstream.requests.filter(({ url }) => url !== '/config.json'),
    [],
  );
  const allowed = await cargo.run(allowing('registry: crates\n    packages: [left]'), script, env);
  assert.match(allowed.stdout, /left-1\.0\.0\.crate/, told(allowed));
  auditLine(allowed, { verdict: 'allow', host: 'static.crates.io', status: 200 });
});
