import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Handler } from '../harness/upstream.ts';

/** Makes the bare repository `dir/OWNER/NAME.git` with one commit that holds README.md, open to pushes. */
export function makeRepository(dir: string, owner: string, name: string): string {
  const bare = join(dir, owner, `${name}.git`);
  const work = join(dir, `${name}-seed`);
  mkdirSync(bare, { recursive: true });
  mkdirSync(work, { recursive: true });
  const git = (cwd: string, ...args: string[]) =>
    execFileSync('git', ['-c', 'user.name=Test', '-c', 'user.email=test@example.test', ...args], {
      cwd,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
  git(bare, 'init', '--bare', '--initial-branch=main', '.');
  git(bare, 'config', 'http.receivepack', 'true');
  git(work, 'init', '--initial-branch=main', '.');
  writeFileSync(join(work, 'README.md'), 'behind the boundary\n');
  git(work, 'add', 'README.md');
  git(work, 'commit', '-m', 'First');
  git(work, 'push', bare, 'main');
  return bare;
}

/**
 * Serves the repositories under `dir` by git's own CGI, `git http-backend` (git-http-backend(1)).
 * The answer's head is CGI: `Status:` and headers until an empty line (RFC 3875, section 6).
 */
export function gitHandler(dir: string): Handler {
  return (request, response) => {
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const backend = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: dir,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: path,
        QUERY_STRING: query,
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
        REMOTE_USER: 'test',
        REMOTE_ADDR: '127.0.0.1',
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    request.pipe(backend.stdin);
    backend.stdin.on('error', () => {});
    let head: Buffer | null = Buffer.alloc(0);
    backend.stdout.on('data', (chunk: Buffer) => {
      if (head === null) {
        response.write(chunk);
        return;
      }
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      for (const line of head.toString('latin1', 0, end).split('\r\n')) {
        const colon = line.indexOf(':');
        const name = line.slice(0, colon);
        const value = line.slice(colon + 1).trim();
        if (name.toLowerCase() === 'status') response.statusCode = Number.parseInt(value, 10);
        else response.setHeader(name, value);
      }
      response.write(head.subarray(end + 4));
      head = null;
    });
    backend.stdout.on('end', () => response.end());
  };
}
