import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Handler, Response } from '../harness/upstream.ts';

function send(response: Response, type: string, body: string | Buffer): void {
  response.setHeader('content-type', type);
  response.setHeader('content-length', String(Buffer.byteLength(body)));
  response.end(body);
}

/** An npm registry at `origin` that holds one package, `left-behind` 1.0.0, whose `index.js` exports 42. */
export function npmRegistry(dir: string, origin: () => string): Handler {
  const source = join(dir, 'package');
  mkdirSync(source, { recursive: true });
  writeFileSync(
    join(source, 'package.json'),
    JSON.stringify({ name: 'left-behind', version: '1.0.0', main: 'index.js' }),
  );
  writeFileSync(join(source, 'index.js'), 'module.exports = 42;\n');
  const archive = join(dir, 'left-behind-1.0.0.tgz');
  execFileSync('tar', ['-czf', archive, '-C', dir, 'package']);
  const bytes = readFileSync(archive);
  const integrity = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  return (request, response) => {
    if (request.url === '/left-behind') {
      const tarball = `${origin()}/left-behind/-/left-behind-1.0.0.tgz`;
      const version = {
        name: 'left-behind',
        version: '1.0.0',
        main: 'index.js',
        dist: { tarball, integrity },
      };
      const document = {
        name: 'left-behind',
        'dist-tags': { latest: '1.0.0' },
        versions: { '1.0.0': version },
      };
      send(response, 'application/json', JSON.stringify(document));
    } else if (request.url === '/left-behind/-/left-behind-1.0.0.tgz') {
      send(response, 'application/octet-stream', bytes);
    } else {
      response.statusCode = 404;
      response.end();
    }
  };
}

/** A simple index (PEP 503) that holds one wheel, `left_behind` 1.0.0, whose module says `answer = 42`. */
export function pipIndex(dir: string): Handler {
  mkdirSync(dir, { recursive: true });
  const name = 'left_behind-1.0.0-py3-none-any.whl';
  const info = 'left_behind-1.0.0.dist-info';
  // A wheel is a zip (PEP 427); Python itself is the zip writer at hand.
  const script = [
    'import sys, zipfile',
    `z = zipfile.ZipFile(sys.argv[1], "w")`,
    `z.writestr("left_behind.py", "answer = 42\\n")`,
    `z.writestr("${info}/METADATA", "Metadata-Version: 2.1\\nName: left-behind\\nVersion: 1.0.0\\n")`,
    `z.writestr("${info}/WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")`,
    `z.writestr("${info}/RECORD", "left_behind.py,,\\n${info}/METADATA,,\\n${info}/WHEEL,,\\n${info}/RECORD,,\\n")`,
    'z.close()',
  ].join('\n');
  execFileSync('python3', ['-c', script, join(dir, name)]);
  const bytes = readFileSync(join(dir, name));
  const digest = createHash('sha256').update(bytes).digest('hex');
  return (request, response) => {
    if (request.url === '/simple/left-behind/') {
      send(
        response,
        'text/html',
        `<!DOCTYPE html><html><body><a href="/files/${name}#sha256=${digest}">${name}</a></body></html>`,
      );
    } else if (request.url === `/files/${name}`) {
      send(response, 'application/octet-stream', bytes);
    } else {
      response.statusCode = 404;
      response.end();
    }
  };
}
