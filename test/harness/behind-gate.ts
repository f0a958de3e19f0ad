import type { ChildProcess } from 'node:child_process';
import { isDeepStrictEqual } from 'node:util';
import type { Ended } from './boundary.ts';
import { docker, inspected, runDocker, startDocker } from './docker-cli.ts';

/** The names of the containers of one workspace. */
export interface ContainerNames {
  readonly netns: string;
  readonly gate: string;
  readonly sidecar: string;
  readonly workspace: string;
}

export type AuditRecord = Readonly<Record<string, unknown>>;

export interface ExecOptions {
  /** By default the image's user. */
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** Where the sidecar's audit file is. */
const AUDIT_FILE = '/var/lib/boundary/audit.jsonl';
/** A record that is not there after so long will not come. */
const PATIENCE_MS = 30_000;

/** A workspace container behind its gate, however the four containers were made. */
export class BehindGate {
  readonly names: ContainerNames;

  constructor(names: ContainerNames) {
    this.names = names;
  }

  /** Starts a command in the workspace, with pipes. */
  start(command: readonly string[], options: ExecOptions = {}): ChildProcess {
    return startDocker(this.#exec(command, options));
  }

  /** Runs a command in the workspace to its end. */
  run(command: readonly string[], options: ExecOptions = {}): Promise<Ended> {
    return runDocker(this.#exec(command, options), options.input);
  }

  /** The audit records so far, oldest first. */
  async audit(): Promise<readonly AuditRecord[]> {
    const { stdout } = await runDocker(['exec', this.names.sidecar, 'cat', AUDIT_FILE]);
    return recordsOf(stdout);
  }

  /**
   * The first audit record that says all of `wanted`, as soon as it is written.
   * @throws with all the records when none comes
   */
  async recorded(wanted: AuditRecord): Promise<AuditRecord> {
    const follower = startDocker(['exec', this.names.sidecar, 'tail', '-n', '+1', '-F', AUDIT_FILE]);
    const late = setTimeout(() => follower.kill(), PATIENCE_MS);
    const seen: AuditRecord[] = [];
    let rest = '';
    try {
      if (follower.stdout === null) throw new Error('the audit log is read through a pipe');
      for await (const chunk of follower.stdout.setEncoding('utf8')) {
        const text = rest + chunk;
        const end = text.lastIndexOf('\n') + 1;
        rest = text.slice(end);
        for (const record of recordsOf(text.slice(0, end))) {
          if (says(record, wanted)) return record;
          seen.push(record);
        }
      }
    } finally {
      clearTimeout(late);
      follower.kill();
    }
    const all = seen.map((one) => JSON.stringify(one)).join('\n');
    throw new Error(`no audit record says ${JSON.stringify(wanted)}; there are ${seen.length}:\n${all}`);
  }

  /** The sidecar's metrics as text, from the port that Docker publishes on this machine's loopback. */
  async metrics(): Promise<string> {
    const published = await docker(['port', this.names.sidecar, '9464/tcp']);
    return (await fetch(`http://${published.split('\n', 1)[0]}/metrics`)).text();
  }

  /** The sum of the samples of a metric whose labels hold all of `labels`. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    return sampleSum(await this.metrics(), name, labels);
  }

  /** The process that a container runs, as this machine numbers it; 0 while it is stopped. */
  async pid(part: keyof ContainerNames): Promise<number> {
    return Number(await inspected(this.names[part], '{{.State.Pid}}'));
  }

  #exec(command: readonly string[], { user, env = {} }: ExecOptions): string[] {
    const variables = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
    const as = user === undefined ? [] : ['--user', user];
    return ['exec', '--interactive', ...as, ...variables, this.names.workspace, ...command];
  }
}

/** Sums up what a text of the Prometheus format says of a metric. */
export function sampleSum(text: string, name: string, labels: Readonly<Record<string, string>>): number {
  const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => wanted.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

function recordsOf(text: string): AuditRecord[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditRecord);
}

function says(record: AuditRecord, wanted: AuditRecord): boolean {
  return Object.entries(wanted).every(([key, value]) => isDeepStrictEqual(record[key], value));
}
