import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  allowing,
  auditLine,
  behindBoundary,
  nameClient,
  startSite,
  told,
} from '../harness/behind-boundary.ts';

test('Python requests: a session that is judged request by request', async (context) => {
  nameClient(
    context,
    'python3',
    '-c',
    'import requests, sys; print("requests", requests.__version__, "Python", sys.version)',
  );
  await using site = await startSite();
  const policy = allowing(`${site.rule}\n    methods: [GET, POST]\n    path: /open/*`);
  const script = `
import requests, sys
url = sys.argv[1]
session = requests.Session()
print(session.get(url + "/open/a").text.strip())
print(session.post(url + "/open/b", data=b"x" * 100000).text.strip())
print(session.post(url + "/open/c", data=(b"y" * 1000 for _ in range(50))).text.strip())
denied = session.get(url + "/shut", headers={"Accept": "application/json"})
print(denied.status_code, denied.json()["error"])
try:
    requests.get("https://elsewhere.example/")
except requests.exceptions.ProxyError as fault:
    print(fault)
`;
  const result = await behindBoundary({ policy }, 'python3', '-c', script, site.origin);
  const lines = result.stdout.trim().split('\n');
  assert.deepEqual(
    lines.slice(0, 4),
    ['GET /open/a 0', 'POST /open/b 100000', 'POST /open/c 50000', '403 denied_by_boundary'],
    told(result),
  );
  assert.match(String(lines[4]), /Tunnel connection failed: 403 Forbidden/);
  assert.deepEqual(
    site.requests.map(({ url }) => url),
    ['/open/a', '/open/b', '/open/c'],
  );
  const framing = site.requests.map(({ rawHeaders }) => rawHeaders.map((value) => value.toLowerCase()));
  assert.ok(framing[1]?.includes('100000') && framing[2]?.includes('chunked'));
  auditLine(result, {
    verdict: 'allow',
    method: 'POST',
    url: `${site.origin}/open/b`,
    bytes_in: 100_000,
    status: 200,
  });
  auditLine(result, { verdict: 'deny', method: 'GET', url: `${site.origin}/shut`, status: 403 });
  auditLine(result, { verdict: 'deny', host: 'elsewhere.example', status: 403 });
});

test('Python urllib: an allowed and a denied request over opened TLS', async () => {
  await using site = await startSite();
  const policy = allowing(`${site.rule}\n    path: /open`);
  const script = `
import sys, urllib.request, urllib.error
url = sys.argv[1]
print(urllib.request.urlopen(url + "/open").read().decode().strip())
try:
    urllib.request.urlopen(url + "/shut")
except urllib.error.HTTPError as fault:
    print(fault.code, fault.reason, fault.read().decode().split("\\n")[0])
`;
  const result = await behindBoundary({ policy }, 'python3', '-c', script, site.origin);
  assert.deepEqual(
    result.stdout.trim().split('\n'),
    ['GET /open 0', '403 Forbidden boundary denied this request.'],
    told(result),
  );
  assert.deepEqual(
    site.requests.map(({ url }) => url),
    ['/open'],
  );
  auditLine(result, { verdict: 'deny', url: `${site.origin}/shut` });
});
