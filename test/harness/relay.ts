import { once } from 'node:events';
import { ensureWorkspaceImage } from '../setup/workspace-image.ts';
import { docker, removeFromEngine, startDocker } from './docker-cli.ts';

/** Hands each connection on to a port of the Docker host, half-closed ends included. */
const PROGRAM = `
const { connect, createServer } = require('node:net');
const ports = Object.entries(JSON.parse(process.argv[1]));
let listening = 0;
for (const [port, to] of ports) {
  createServer({ allowHalfOpen: true }, (client) => {
    const server = connect({ port: to, host: 'host.docker.internal', allowHalfOpen: true });
    for (const [one, other] of [[client, server], [server, client]]) {
      one.on('error', () => other.destroy()).pipe(other);
      one.on('close', () => other.destroy());
    }
  }).listen(Number(port), () => { if (++listening === ports.length) console.log('listening'); });
}`;

export interface Relay extends AsyncDisposable {
  /** Its address in the network. */
  readonly address: string;
}

/**
 * Puts servers of this machine under names of their own and at ports of their own into a Docker network, as a container
 * there that relays to them.
 *
 * @param ports a port of this machine for each port of the names
 */
export async function startRelay(
  network: string,
  names: readonly string[],
  ports: Readonly<Record<number, number>>,
): Promise<Relay> {
  const image = await ensureWorkspaceImage();
  const container = `${network}-relay-${names[0]}`;
  const aliases = names.flatMap((name) => ['--network-alias', name]);
  const host = ['--add-host', 'host.docker.internal:host-gateway'];
  const args = ['run', '--name', container, '--network', network, ...aliases, ...host, '--user', '0:0'];
  const child = startDocker([...args, image, 'node', '-e', PROGRAM, JSON.stringify(ports)]);
  const dispose = () => removeFromEngine({ containers: [container] });
  let said = '';
  child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
    said += piece;
  });
  if (child.stdout === null) throw new Error('a relay says on a pipe that it listens');
  const listening = once(child.stdout, 'data').then(() => true);
  if (!(await Promise.race([listening, once(child, 'close').then(() => false)]))) {
    await dispose();
    throw new Error(`the relay of ${names.join(', ')} ended: ${said}`);
  }
  const format = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
  const address = await docker(['inspect', '--format', format, container]);
  return { address, [Symbol.asyncDispose]: dispose };
}
