import { realpathSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';
import type { MountSettings } from 'dockerode';
import { ContainerError } from './container-error.ts';

/** What `--volume` asks for. */
export interface Volume {
  /** An absolute path of the engine's machine, or the name of a volume. */
  readonly source: string;
  /** An absolute path in the container. */
  readonly target: string;
  readonly readOnly: boolean;
}

/** Where boundary's own volumes appear in a container. */
const RESERVED = '/run/boundary';

/** As the engine has it (moby, volume/local): anything else is a path. */
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/**
 * `SOURCE:TARGET[:ro|rw]`. A source that begins with `/` or `.` is a path, a relative one below `directory`; others are
 * names of volumes.
 * @throws ContainerError
 */
export function parseVolume(text: string, directory: string): Volume {
  const fault = (what: string) => new ContainerError(`--volume ${JSON.stringify(text)}: ${what}`);
  const [source = '', target = '', mode = 'rw', ...rest] = text.split(':');
  if (source === '' || target === '' || rest.length > 0) {
    throw fault('expected SOURCE:TARGET or SOURCE:TARGET:ro, such as "$PWD:/work"');
  }
  if (mode !== 'ro' && mode !== 'rw') {
    throw fault(`found the option ${JSON.stringify(mode)}; expected ro (read-only) or rw (the default)`);
  }
  if (!target.startsWith('/')) throw fault(`${target} is no absolute path in the container; begin it with /`);
  const place = posix.resolve(target);
  if (place === '/') throw fault('a volume cannot take the place of the root directory; name one below it');
  if (within(RESERVED, place) || within(place, RESERVED)) {
    throw fault(
      `${RESERVED} is where the boundary's own files appear; choose another place in the container`,
    );
  }
  const isPath = source.startsWith('/') || source.startsWith('.');
  if (!isPath && !VOLUME_NAME.test(source)) {
    throw fault(
      `${source} is neither a path, which begins with / or ./, nor the name of a volume (letters, digits, _ . -)`,
    );
  }
  return { source: isPath ? resolve(directory, source) : source, target: place, readOnly: mode === 'ro' };
}

/** What a volume must never hand to a command, since it opens every way out. */
export interface Forbidden {
  /** The engine's socket, or null where it was reached over TCP. */
  readonly socketPath: string | null;
  /** Where the engine keeps images and volumes: those of the boundary too. */
  readonly rootDirectory: string;
}

const KNOWN_SOCKETS = [
  '/var/run/docker.sock',
  '/run/docker.sock',
  '/run/containerd/containerd.sock',
  '/run/podman/podman.sock',
];

/**
 * Refuses what would give the command the engine itself, its socket or its data, or a directory that holds them; and the
 * kernel's settings, some of which start programs outside every container (core(5)).
 * @throws ContainerError
 */
export function refuseEngine(volume: Volume, forbidden: Forbidden): void {
  const { source } = volume;
  const fault = (what: string) =>
    new ContainerError(
      `--volume ${source}:${volume.target} would give the command ${what}, and with it every way around the boundary (read-only too); mount a directory below it that the command needs`,
    );
  if (!source.startsWith('/')) {
    if (!source.startsWith('boundary-')) return;
    throw fault("a volume of the boundary's own");
  }
  for (const path of [source, real(source)]) {
    for (const kernel of ['/proc', '/sys']) {
      if (within(path, kernel)) throw fault(`the settings of this machine's kernel in ${kernel}`);
    }
  }
  const sockets = [...KNOWN_SOCKETS, ...(forbidden.socketPath === null ? [] : [forbidden.socketPath])];
  for (const path of new Set([source, real(source)])) {
    for (const socket of sockets.flatMap((name) => [name, real(name)])) {
      if (within(socket, path)) throw fault(`the engine's socket ${socket}`);
    }
    for (const root of [forbidden.rootDirectory, real(forbidden.rootDirectory)]) {
      if (within(root, path) || within(path, root)) throw fault(`what the engine keeps in ${root}`);
    }
  }
}

/** For the engine: a path that is missing is a fault there, and no directory is made for it. */
export function mountOf(volume: Volume): MountSettings {
  const { source, target, readOnly } = volume;
  return {
    Type: source.startsWith('/') ? 'bind' : 'volume',
    Source: source,
    Target: target,
    ReadOnly: readOnly,
  };
}

/** Whether a path is a directory or lies in it. */
function within(path: string, directory: string): boolean {
  return path === directory || path.startsWith(join(directory, '/'));
}

/** Where a path leads on this machine, and the path itself where that is on another one. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
