import { networkInterfaces } from 'node:os';
import type { ListenAddress } from './types.ts';

const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/**
 * Whether dialling `address:port` would reach one of `listeners`. An unspecified address is this machine for
 * connect(2), and a wildcard listener answers on every address that the machine has.
 * @param address canonical text
 */
export function reachesOwn(listeners: readonly ListenAddress[], address: string, port: number): boolean {
  for (const listener of listeners) {
    if (listener.port !== port) continue;
    const dialled = unmapped(address);
    const host = unmapped(listener.host);
    if (dialled === host || WILDCARDS.has(dialled)) return true;
    if (host === 'localhost' && isLoopback(dialled)) return true;
    if (WILDCARDS.has(host) && isThisMachine(dialled)) return true;
  }
  return false;
}

/** RFC 4291 section 2.5.5.2: `::ffff:a.b.c.d` is the IPv4 address to the kernel. */
function unmapped(address: string): string {
  const match = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (match !== null) return match[1] as string;
  const hex = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address);
  if (hex === null) return address;
  const high = Number.parseInt(hex[1] as string, 16);
  const low = Number.parseInt(hex[2] as string, 16);
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function isThisMachine(address: string): boolean {
  if (isLoopback(address)) return true;
  // Asked anew: interfaces come and go, and this runs only where the port is one of ours.
  return Object.values(networkInterfaces()).some((list) =>
    list?.some((own) => own.address.split('%')[0] === address),
  );
}
