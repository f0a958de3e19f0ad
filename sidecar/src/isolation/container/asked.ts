import type { ContainerCreateOptions } from 'dockerode';
import { ContainerError, engineMessage } from './container-error.ts';

/** dockerode would repeat the whole of the options in the address of the request, which has a largest length. */
export function asRequest({ name, ...body }: ContainerCreateOptions): ContainerCreateOptions {
  const request: { _query: unknown; _body: unknown } & ContainerCreateOptions = {
    _query: name === undefined ? {} : { name },
    _body: body,
  };
  return request;
}

/** A request to the engine, whose refusal says what was wanted. */
export async function asked<T>(what: string, request: () => Promise<T>): Promise<T> {
  try {
    return await request();
  } catch (error) {
    throw new ContainerError(`the engine did not ${what}: ${engineMessage(error)}${advice(error)}`);
  }
}

function advice(error: unknown): string {
  const message = engineMessage(error);
  if (/non-overlapping IPv4 address pool/.test(message)) {
    return '; it has no addresses left for another network: docker network prune removes those that nothing uses';
  }
  return '';
}
