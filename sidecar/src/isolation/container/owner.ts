import { readFileSync, readlinkSync } from 'node:fs';

/**
 * The process that a run belongs to, told from every other one that has lived or will: process ids are given out again,
 * so its start time is part of it, and both mean something only in one pid namespace of one boot of one machine.
 */
export interface Owner {
  readonly pid: number;
  /** When it started, in clock ticks since the boot (proc(5), `stat`, field 22). */
  readonly started: string;
  /** /proc/sys/kernel/random/boot_id */
  readonly boot: string;
  /** The pid namespace: `pid:[4026531836]`. */
  readonly namespace: string;
}

/** `elsewhere`: on another machine, in another pid namespace, or before this machine's last boot: cannot be told. */
export type OwnerState = 'alive' | 'gone' | 'elsewhere';

/** The owner that this process is. */
export function thisOwner(): Owner {
  const stat = processStat('self');
  if (stat === null) throw new Error('/proc/self/stat cannot be read; boundary needs /proc');
  return {
    pid: process.pid,
    started: stat.started,
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    namespace: readlinkSync('/proc/self/ns/pid'),
  };
}

/** As labels of an object of the engine. */
export function ownerLabels(owner: Owner): Readonly<Record<string, string>> {
  return {
    'boundary.pid': String(owner.pid),
    'boundary.started': owner.started,
    'boundary.boot': owner.boot,
    'boundary.pid_namespace': owner.namespace,
  };
}

/** Whether the process that such labels name still lives. What they do not say is `elsewhere`. */
export function ownerState(labels: Readonly<Record<string, string>>, here: Owner): OwnerState {
  const pid = Number(labels['boundary.pid']);
  const known = Number.isSafeInteger(pid) && pid > 0 && labels['boundary.started'] !== undefined;
  if (!known || labels['boundary.boot'] !== here.boot) return 'elsewhere';
  if (labels['boundary.pid_namespace'] !== here.namespace) return 'elsewhere';
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return 'gone';
    // EPERM: it is another user's, and lives.
  }
  const stat = processStat(String(pid));
  // With hidepid another user's process cannot be looked at: the safe reading is that it is the owner.
  if (stat === null) return 'alive';
  return stat.started === labels['boundary.started'] && !stat.dead ? 'alive' : 'gone';
}

function processStat(pid: string): { readonly started: string; readonly dead: boolean } | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The second field is the program's name in parentheses and may hold spaces; the third is the state.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[0] ?? '';
  const started = fields[19];
  return started === undefined ? null : { started, dead: state === 'Z' || state === 'X' };
}
