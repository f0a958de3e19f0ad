/**
 * What the stand-in for the deployment serves as the Coder agent's binary. It does what a boundary sees of an agent: it
 * keeps a WebSocket to the deployment open, makes it anew when it breaks, and runs what it is told with the environment
 * of the manifest. The real agent's yamux and dRPC inside the WebSocket are not here; they are bytes to a boundary.
 *
 *     deployment  {"env": {...}}                                    the manifest's environment, for what runs from now on
 *                 {"run": ID, "command": [...], "input": BASE64}
 *     agent       {"of": ID, "stdout": BASE64}   {"of": ID, "stderr": BASE64}   {"of": ID, "code": N, "signal": S}
 *
 * It runs in the workspace as a file of its own, so it imports nothing of the repository.
 */
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';

interface Message {
  readonly env?: Record<string, string>;
  readonly run?: number;
  readonly command?: readonly string[];
  readonly input?: string;
}

const AGAIN_MS = 200;
const [, program = '', verb = '', ...more] = process.argv;
const { CODER_AGENT_URL: url = '', CODER_AGENT_TOKEN: token = '' } = process.env;
let environment: Record<string, string> = {};
let socket: WebSocket | null = null;
/** Said while no connection was there. */
const unsaid: string[] = [];

function say(message: object): void {
  const text = JSON.stringify(message);
  if (socket?.readyState === WebSocket.OPEN) socket.send(text);
  else unsaid.push(text);
}

function connectToDeployment(): void {
  const rpc = new URL('api/v2/workspaceagents/me/rpc?role=agent&version=2.10', url.replace(/\/*$/, '/'));
  rpc.protocol = rpc.protocol.replace('http', 'ws');
  const opened = new WebSocket(rpc, { headers: { 'Coder-Session-Token': token } });
  socket = opened;
  opened.addEventListener('open', () => {
    for (const text of unsaid.splice(0)) opened.send(text);
  });
  opened.addEventListener('message', ({ data }) => take(JSON.parse(String(data)) as Message));
  opened.addEventListener('error', () => {}); // It is closed next.
  opened.addEventListener('close', () => setTimeout(connectToDeployment, AGAIN_MS));
}

function take({ env, run, command: [file = 'true', ...args] = [], input = '' }: Message): void {
  if (env !== undefined) environment = env;
  if (run === undefined) return;
  const PATH = `${dirname(program)}:${process.env.PATH}`;
  const child = spawn(file, args, { env: { ...process.env, ...environment, PATH } });
  child.stdin.on('error', () => {}); // It may end before it read all.
  child.stdin.end(Buffer.from(input, 'base64'));
  child.stdout.on('data', (bytes: Buffer) => say({ of: run, stdout: bytes.toString('base64') }));
  child.stderr.on('data', (bytes: Buffer) => say({ of: run, stderr: bytes.toString('base64') }));
  child.on('error', (error) =>
    say({ of: run, stderr: Buffer.from(error.message).toString('base64'), code: 127 }),
  );
  child.on('close', (code, signal) => say({ of: run, code, signal }));
}

if (verb === 'agent') {
  process.stdout.write(`stand-in agent ${process.pid} for ${url}\n`);
  connectToDeployment();
} else if (verb !== 'exp' || more[0] !== 'sync') {
  // Scripts tell each other with `coder exp sync` what they have done; nobody waits here.
  process.stderr.write(`the stand-in for the Coder agent does not know: coder ${verb} ${more.join(' ')}\n`);
  process.exitCode = 1;
}
