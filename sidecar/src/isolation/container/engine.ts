import Docker from 'dockerode';
import { ContainerError, engineMessage, engineStatus } from './container-error.ts';
import { type EngineAddress, engineAddress } from './engine-address.ts';

/** A Docker engine that answers. */
export interface Engine {
  readonly docker: Docker;
  readonly version: string;
  /** Where it keeps images and volumes, on its machine. */
  readonly rootDirectory: string;
  /** The path of the socket that it was reached by, or null over TCP. */
  readonly socketPath: string | null;
  /** Its clock, in milliseconds since 1970. */
  readonly now: number;
}

/**
 * Reaches the engine that `docker` would use.
 * @throws ContainerError with what to do where none answers, or where it runs no Linux containers
 */
export async function connectEngine(env: NodeJS.ProcessEnv): Promise<Engine> {
  const address = engineAddress(env);
  const docker = new Docker(address.endpoint);
  let info: { OSType?: string; ServerVersion?: string; DockerRootDir?: string; SystemTime?: string };
  try {
    info = await docker.info();
  } catch (error) {
    throw unreachable(address, error);
  }
  if (info.OSType !== undefined && info.OSType !== 'linux') {
    throw new ContainerError(
      `the Docker engine at ${address.text} runs ${info.OSType} containers, and boundary needs Linux ones; switch it over, or name another with DOCKER_HOST`,
    );
  }
  return {
    docker,
    version: info.ServerVersion ?? 'of an unknown version',
    rootDirectory: info.DockerRootDir ?? '/var/lib/docker',
    socketPath: 'socketPath' in address.endpoint ? address.endpoint.socketPath : null,
    now: Date.parse(info.SystemTime ?? '') || Date.now(),
  };
}

function unreachable({ text, source }: EngineAddress, error: unknown): ContainerError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const answered = engineStatus(error) !== undefined;
  const advice =
    code === 'EACCES' || code === 'EPERM'
      ? 'this user may not use it: add the user to its group (usually docker), use a rootless engine, or run boundary as a user who may'
      : answered
        ? 'it refused: look at its log'
        : 'start it (systemctl start docker), or name another with DOCKER_HOST; without Docker there is --isolation proxy';
  return new ContainerError(
    `the Docker engine at ${text} (${source}) cannot be reached: ${engineMessage(error)}; ${advice}`,
  );
}
