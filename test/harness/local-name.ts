import { lookup } from 'node:dns/promises';
import { hostname } from 'node:os';

/**
 * A name of this machine that is not localhost, and its IPv4 address. Clients never send localhost to a proxy, so
 * tests with a real client reach their upstream by this name; it listens on every address.
 */
export async function localName(): Promise<{ readonly name: string; readonly address: string }> {
  const name = hostname().toLowerCase();
  const { address } = await lookup(name, { family: 4 });
  return { name, address };
}
