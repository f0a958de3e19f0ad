import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Metadata, Server, ServerCredentials, type ServiceDefinition, status } from '@grpc/grpc-js';
import {
  addressed,
  allowing,
  auditLine,
  behindBoundary,
  ca,
  nameClient,
  told,
} from '../harness/behind-boundary.ts';
import { localName } from '../harness/local-name.ts';

const node = process.execPath;
const grpcModule = createRequire(import.meta.url).resolve('@grpc/grpc-js');

const same = (bytes: Buffer) => bytes;
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/echo.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});
const ECHO = {
  Unary: method('Unary', false, false),
  Count: method('Count', false, true),
  Both: method('Both', true, true),
  Refuse: method('Refuse', false, false),
} satisfies ServiceDefinition;

/** A gRPC server behind a door that counts the bytes which came in. */
async function startEcho() {
  const { name, address } = await localName();
  const server = new Server();
  const calls: string[] = [];
  server.addService(ECHO, {
    Unary(
      call: { request: Buffer; metadata: Metadata },
      done: (fault: null, answer: Buffer, trailer: Metadata) => void,
    ) {
      calls.push('Unary');
      const trailer = new Metadata();
      trailer.set('x-token-seen', String(call.metadata.get('x-token')[0]));
      done(null, call.request, trailer);
    },
    Count(call: { request: Buffer; write(part: Buffer): void; end(): void }) {
      calls.push('Count');
      for (let n = 1; n <= Number(call.request.toString()); n++) call.write(Buffer.from(String(n)));
      call.end();
    },
    Both(call: {
      on(event: 'data', listener: (part: Buffer) => void): void;
      on(event: 'end', listener: () => void): void;
      write(part: Buffer): void;
      end(): void;
    }) {
      calls.push('Both');
      call.on('data', (part) => call.write(Buffer.concat([Buffer.from('echo '), part])));
      call.on('end', () => call.end());
    },
    Refuse(_call: unknown, done: (fault: { code: status; details: string }) => void) {
      calls.push('Refuse');
      done({ code: status.FAILED_PRECONDITION, details: 'not today' });
    },
  });
  const pair = ca.issue([name]);
  const credentials = ServerCredentials.createSsl(null, [
    { private_key: Buffer.from(pair.key), cert_chain: Buffer.from(pair.cert) },
  ]);
  const inner = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (fault, port) => (fault ? reject(fault) : resolve(port))),
  );
  let bytes = 0;
  const door = createTcpServer((socket) => {
    const through = connect(inner, '127.0.0.1');
    socket.on('data', (chunk) => {
      bytes += chunk.length;
    });
    socket.pipe(through).pipe(socket);
    socket.on('error', () => through.destroy()).on('close', () => through.destroy());
    through.on('error', () => socket.destroy()).on('close', () => socket.destroy());
  });
  door.listen(0, '0.0.0.0');
  await once(door, 'listening');
  return {
    ...addressed(name, address, (door.address() as AddressInfo).port, 'https'),
    calls,
    bytes: () => bytes,
    [Symbol.asyncDispose]: async () => {
      server.forceShutdown();
      door.close();
    },
  };
}

const CLIENT = `
const grpc = require(${JSON.stringify(grpcModule)});
const same = (bytes) => bytes;
const client = new grpc.Client(process.argv[1], grpc.credentials.createSsl());
const options = () => ({ deadline: Date.now() + 30000 });
const calls = {
  Unary: (done) => {
    const metadata = new grpc.Metadata();
    metadata.set('x-token', 'abc');
    let trailer = '';
    const call = client.makeUnaryRequest('/echo.Echo/Unary', same, same, Buffer.alloc(100000, 1), metadata, options(), (fault, answer) => {
      console.log('Unary', fault ? fault.code + ' ' + fault.details : answer.length);
    });
    call.on('status', (status) => { console.log('trailer', status.code, status.metadata.get('x-token-seen')[0]); done(); });
  },
  Count: (done) => {
    const seen = [];
    client.makeServerStreamRequest('/echo.Echo/Count', same, same, Buffer.from('5'), new grpc.Metadata(), options())
      .on('data', (part) => seen.push(part.toString()))
      .on('error', (fault) => console.log('Count', fault.code, fault.details))
      .on('status', (status) => { console.log('Count', seen.join(), status.code); done(); });
  },
  // Each message is sent only when the answer to the one before has come.
  Both: (done) => {
    let n = 0;
    const call = client.makeBidiStreamRequest('/echo.Echo/Both', same, same, new grpc.Metadata(), options());
    call.on('data', (part) => {
      console.log(part.toString());
      if (++n < 3) call.write(Buffer.from(String(n)));
      else call.end();
    });
    call.on('error', (fault) => console.log('Both', fault.code, fault.details));
    call.on('status', (status) => { console.log('Both', status.code); done(); });
    call.write(Buffer.from('0'));
  },
  Refuse: (done) => client.makeUnaryRequest('/echo.Echo/Refuse', same, same, Buffer.from('x'), new grpc.Metadata(), options(), (fault) => {
    console.log('Refuse', fault.code, fault.details);
    done();
  }),
};
const next = ([name, ...rest]) => name === undefined ? client.close() : calls[name](() => next(rest));
next(process.argv.slice(2));
`;

test('gRPC: unary with trailers, server streaming, both directions, an error in trailers alone', async (context) => {
  nameClient(
    context,
    node,
    '-p',
    `'grpc-js ' + require('${join(grpcModule, '../../../package.json')}').version`,
  );
  await using echo = await startEcho();
  const policy = allowing(`${echo.rule}\n    methods: [POST]\n    path: /echo.Echo/*`);
  const result = await behindBoundary(
    { policy },
    node,
    '-e',
    CLIENT,
    echo.authority,
    'Unary',
    'Count',
    'Both',
    'Refuse',
  );
  assert.deepEqual(
    result.stdout.trim().split('\n'),
    [
      'Unary 100000',
      'trailer 0 abc',
      'Count 1,2,3,4,5 0',
      'echo 0',
      'echo 1',
      'echo 2',
      'Both 0',
      `Refuse ${status.FAILED_PRECONDITION} not today`,
    ],
    told(result),
  );
  assert.deepEqual(echo.calls, ['Unary', 'Count', 'Both', 'Refuse']);
  for (const name of echo.calls) {
    auditLine(result, {
      verdict: 'allow',
      method: 'POST',
      url: `${echo.origin}/echo.Echo/${name}`,
      status: 200,
      error: null,
    });
  }
});

test('gRPC: a method that no rule allows is PERMISSION_DENIED, and the server hears nothing', async () => {
  await using echo = await startEcho();
  const policy = allowing(`${echo.rule}\n    path: /echo.Echo/Count`);
  const denied = await behindBoundary({ policy }, node, '-e', CLIENT, echo.authority, 'Unary');
  assert.match(denied.stdout, new RegExp(`^Unary ${status.PERMISSION_DENIED} `), told(denied));
  assert.equal(echo.bytes(), 0);
  auditLine(denied, { verdict: 'deny', method: 'POST', url: `${echo.origin}/echo.Echo/Unary`, status: 403 });
});

test('gRPC: a host that no rule names', async () => {
  await using echo = await startEcho();
  const denied = await behindBoundary(
    { policy: allowing('domain: elsewhere.example') },
    node,
    '-e',
    CLIENT,
    echo.authority,
    'Unary',
  );
  assert.match(
    denied.stdout,
    new RegExp(`^Unary (${status.UNAVAILABLE}|${status.DEADLINE_EXCEEDED}) `),
    told(denied),
  );
  assert.equal(echo.bytes(), 0);
  auditLine(denied, { verdict: 'deny', host: echo.name, status: 403 });
});
