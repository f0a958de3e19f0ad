import { spawnSync } from 'node:child_process';
import { type GatePorts, NAMESPACE_SETUP, namespaceRules } from './namespace-rules.ts';

/** The namespace could not be closed. Nothing may run in it then; the message says what to do. */
export class NamespaceFault extends Error {
  override readonly name = 'NamespaceFault';
}

/**
 * Makes every IPv4 address local and sends it to the gate's sockets. May be called again at any time.
 * @throws NamespaceFault
 */
export function closeNamespace(ports: GatePorts): void {
  for (const args of NAMESPACE_SETUP) run('ip', args);
  run('nft', ['-f', '-'], namespaceRules(ports));
}

function run(program: string, args: readonly string[], input?: string): void {
  const { error, status, signal, stderr } = spawnSync(program, args, {
    ...(input === undefined ? {} : { input }),
    stdio: [input === undefined ? 'ignore' : 'pipe', 'ignore', 'pipe'],
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (status === 0) return;
  const said = stderr?.trim().split('\n', 1)[0] ?? '';
  const command = [program, ...args].join(' ');
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') {
    throw new NamespaceFault(
      `${program} is not installed here; use boundary's own image for the gate, which has it`,
    );
  }
  if (/not permitted|permission denied/i.test(said)) {
    throw new NamespaceFault(
      `\`${command}\` was refused (${said}); the gate needs the capability NET_ADMIN and user 0 in its container`,
    );
  }
  const why = said || error?.message || `signal ${signal}`;
  throw new NamespaceFault(
    `\`${command}\` failed: ${why}; the kernel needs nf_tables with NAT and conntrack zones, and the namespace must be the workspace's own`,
  );
}
