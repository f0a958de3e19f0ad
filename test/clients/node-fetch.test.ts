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

const node = process.execPath;

test('Node fetch: a request that a rule allows, one that none does, a host that none names', async (context) => {
  nameClient(context, node, '--version');
  await using site = await startSite();
  const policy = allowing(`${site.rule}\n    methods: [GET]`);
  const script = `
    import { inspect } from 'node:util';
    const [url] = process.argv.slice(1);
    const allowed = await fetch(url + '/letters');
    console.log(allowed.status, (await allowed.text()).trim());
    const denied = await fetch(url + '/letters', { method: 'DELETE', headers: { accept: 'application/json' } });
    const { error, status, reason, request_id } = await denied.json();
    console.log(denied.status, error, status, reason.includes('DELETE'), request_id === denied.headers.get('x-boundary-request-id'));
    await fetch('https://elsewhere.example/').catch((fault) => console.log(JSON.stringify(inspect(fault, { depth: 5 }))));`;
  const result = await behindBoundary({ policy }, node, '--input-type=module', '-e', script, site.origin);
  const [allowed, denied, closed] = result.stdout.trim().split('\n');
  assert.equal(allowed, '200 GET /letters 0', told(result));
  assert.equal(denied, '403 denied_by_boundary 403 true true');
  assert.match(String(closed), /403/);
  assert.deepEqual(
    site.requests.map(({ method }) => method),
    ['GET'],
  );
  auditLine(result, { verdict: 'allow', method: 'GET', url: `${site.origin}/letters`, status: 200 });
  auditLine(result, { verdict: 'deny', method: 'DELETE', url: `${site.origin}/letters`, status: 403 });
  auditLine(result, { verdict: 'deny', host: 'elsewhere.example', address: null });
});

test('Node fetch streams an upload whose answer comes while the rest is not written yet', async () => {
  await using site = await startSite({
    handler(request, response) {
      request.once('data', (chunk: Buffer) => {
        response.write(`saw ${chunk}`);
        request.on('data', () => {}).once('end', () => response.end(' and the end'));
      });
    },
  });
  // The body ends only once the beginning of the answer was read.
  const script = `
    const [url] = process.argv.slice(1);
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    const sent = fetch(url, { method: 'POST', body: readable, duplex: 'half' });
    writer.write(new TextEncoder().encode('first'));
    const reader = (await sent).body.pipeThrough(new TextDecoderStream()).getReader();
    let answer = (await reader.read()).value;
    await writer.close();
    for (let part; !(part = await reader.read()).done; ) answer += part.value;
    console.log(answer);`;
  const result = await behindBoundary(
    { policy: allowing(site.rule) },
    node,
    '--input-type=module',
    '-e',
    script,
    site.origin,
  );
  assert.equal(result.stdout, 'saw first and the end\n', told(result));
  auditLine(result, { method: 'POST', status: 200, bytes_in: 5, error: null });
});

test('Node fetch that aborts cancels the request at the upstream', async () => {
  const closed = Promise.withResolvers<void>();
  await using site = await startSite({
    handler(request, response) {
      request.socket.once('close', () => closed.resolve());
      response.write('begun');
    },
  });
  const script = `
    const [url] = process.argv.slice(1);
    const abort = new AbortController();
    const answer = await fetch(url, { signal: abort.signal });
    await answer.body.getReader().read();
    abort.abort();`;
  const result = await behindBoundary(
    { policy: allowing(site.rule) },
    node,
    '--input-type=module',
    '-e',
    script,
    site.origin,
  );
  await closed.promise;
  assert.equal(result.code, 0, told(result));
  auditLine(result, { verdict: 'allow', error: 'client-abort' });
});
