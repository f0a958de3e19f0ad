import type { ProxyOptions, RunningProxy } from './types.ts';

/**
 * Starts the explicit proxy: absolute-form HTTP and CONNECT on one port.
 * Rejects with the listener's error (`EADDRINUSE`, `EACCES`) where the address cannot be taken.
 */
export async function createProxy(options: ProxyOptions): Promise<RunningProxy> {
  throw new Error(`No listener on ${options.listen.host}:${options.listen.port} yet.`);
}
