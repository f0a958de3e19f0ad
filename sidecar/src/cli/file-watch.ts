import { type FSWatcher, lstatSync, readlinkSync, watch } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Editors write in several steps; what is read in between would only be refused and read again. */
const settleMs = 50;
/** Where the kernel tells nothing (network and some overlay file systems), the file is looked at this often. */
const pollMs = 5000;
/** As many symbolic links as the kernel follows (path_resolution(7)). */
const mostLinks = 40;

/**
 * Calls `look` some time after a file may have changed: written, replaced by a rename, or one of the links on its way
 * pointed elsewhere (a Kubernetes ConfigMap swaps the link `..data` of the file's directory). It also calls when nothing
 * changed: `look` has to compare. Returns a function that ends it.
 */
export function watchFile(path: string, look: () => void): () => void {
  let watchers = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;
  const soon = () => {
    timer ??= setTimeout(() => {
      timer = undefined;
      follow();
      look();
    }, settleMs);
  };
  // Directories are watched, not the file: a rename puts another file in its place, and the watch would stay behind.
  const follow = () => {
    const wanted = new Set(directoriesOf(path));
    const kept = new Map<string, FSWatcher>();
    for (const [directory, watcher] of watchers) {
      if (wanted.has(directory)) kept.set(directory, watcher);
      else watcher.close();
    }
    for (const directory of wanted) {
      if (kept.has(directory)) continue;
      const watcher = watchDirectory(directory, soon, () => watchers.delete(directory));
      if (watcher !== null) kept.set(directory, watcher);
    }
    watchers = kept;
  };
  follow();
  const poll = setInterval(() => {
    follow();
    look();
  }, pollMs);
  poll.unref();
  return () => {
    clearTimeout(timer);
    clearInterval(poll);
    for (const watcher of watchers.values()) watcher.close();
  };
}

function watchDirectory(directory: string, changed: () => void, gone: () => void): FSWatcher | null {
  try {
    const watcher = watch(directory, { persistent: false }, changed);
    watcher.on('error', () => {
      watcher.close();
      gone();
    });
    return watcher;
  } catch {
    // The directory is not there, or no watch is left (fs.inotify.max_user_watches): the poll sees to it.
    return null;
  }
}

/** The directories that hold the file itself and every link on the way to it. */
export function directoriesOf(path: string): readonly string[] {
  const directories = new Set<string>();
  let pending = resolve(path);
  for (let links = 0; links <= mostLinks; links++) {
    const link = firstLink(pending);
    if (link === null) {
      directories.add(dirname(pending));
      break;
    }
    directories.add(dirname(link.path));
    pending = resolve(dirname(link.path), link.target, link.rest);
  }
  return [...directories];
}

/** The first component of an absolute path that is a symbolic link, where it points, and what follows it. */
function firstLink(path: string): { path: string; target: string; rest: string } | null {
  const parts = path.split('/').slice(1);
  for (let i = 1; i <= parts.length; i++) {
    const prefix = `/${parts.slice(0, i).join('/')}`;
    try {
      if (lstatSync(prefix).isSymbolicLink()) {
        return { path: prefix, target: readlinkSync(prefix), rest: parts.slice(i).join('/') };
      }
    } catch {
      return null;
    }
  }
  return null;
}
