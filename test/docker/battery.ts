import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type ConfinedSetup, ConfinedWorkspace, type Outcome, type Place } from './confined-workspace.ts';
import { HostListener } from './host-listener.ts';
import type { Arrival } from './internet.ts';
import { type Row, writeResults } from './results.ts';

/** Where attacks are led to. Nobody has these addresses in here but the internet that the tests make. */
export const FORBIDDEN = '45.79.3.1';
export const FORBIDDEN_V6 = '2606:4700:3::1';
export const ALLOWED = '93.184.215.14';
export const METADATA = '169.254.169.254';

/** Longer than any refusal takes. */
const REFUSED_MS = 5_000;
const ARRIVES_MS = 8_000;

export interface Attack {
  /** What is tried, as the table has it. */
  readonly name: string;
  /** The call of attacks/: a function there, and its arguments. */
  readonly call: (mark: string, setting: ConfinedWorkspace, host: HostListener) => Record<string, unknown>;
  /** Where it leads, when what arrives may bear no mark: the first packet of a connection, say. */
  readonly to?: string | ((setting: ConfinedWorkspace) => string);
  /** What it may do on purpose: use what is allowed. */
  readonly permits?: (arrival: Arrival, setting: ConfinedWorkspace) => boolean;
  /** It is no attack: it has to arrive, where the attacks do not. */
  readonly passes?: true;
  /** What the attacker has to be told. */
  readonly says?: RegExp;
  /** What the attacker is told where it arrives; for places that count nothing. */
  readonly reached?: RegExp;
  /** Why it need not arrive from an ordinary container either; such a one need not be there. */
  readonly uncontrolled?: string;
  /** Milliseconds that it may take. */
  readonly within?: number;
  /** The columns in which it makes sense; all of them unless told. */
  readonly stages?: readonly string[];
}

/** Circumstances in which all attacks are tried, one after the other. */
export interface Stage {
  /** Of the table, and of the tests' names. */
  readonly column: string;
  readonly place: Exclude<Place, 'ordinary'>;
  /** Brings the circumstances about; a test of its own, named `name`. */
  readonly prepare?: { readonly name: string; run(setting: ConfinedWorkspace): Promise<void> };
}

export const AS_ROOT: Stage = { column: 'root', place: 'root' };
export const AS_ADMIN: Stage = { column: 'root with NET_ADMIN, SYS_ADMIN', place: 'admin' };
const CONTROL = 'an ordinary route';

/** Lookups of names that the policy allows: of the sidecar, with nothing of an attack in them. */
export function isLookup({ to, protocol, port, marks }: Arrival, { internet }: ConfinedWorkspace): boolean {
  return protocol === 'udp' && port === 53 && to === internet.gateway && marks.length === 0;
}

/** What an allowed request looks like from outside. */
export function isAllowed(arrival: Arrival, setting: ConfinedWorkspace): boolean {
  return arrival.to === ALLOWED || isLookup(arrival, setting);
}

export interface BatteryOptions extends ConfinedSetup {
  /** The heading of its table in docs/isolation.md. */
  readonly title: string;
  /** Beside what {@link isAllowed} tells: where an allowed connection may still say its last words. */
  readonly reaches?: readonly string[];
  /** Names for the internet's server. */
  readonly names?: Parameters<ConfinedWorkspace['internet']['names']>[0];
}

/** A setting, and attacks on it whose results become a table. */
export class Battery {
  readonly #rows = new Map<string, Row>();
  readonly #columns: string[] = [];
  readonly #options: BatteryOptions;
  /** What arrived between attacks. */
  readonly #late: Arrival[] = [];
  /** How much had arrived when the last attack was over. */
  #seen: readonly number[] = [];
  #planned = 0;
  #done = 0;
  #count = 0;
  setting!: ConfinedWorkspace;
  host!: HostListener;

  constructor(options: BatteryOptions) {
    this.#options = options;
    before(async () => {
      this.host = await HostListener.start();
      this.setting = await ConfinedWorkspace.start({
        ...options,
        async beforeStart(setting) {
          await setting.internet.names(options.names ?? {});
          await options.beforeStart?.(setting);
        },
      });
    });
    after(async () => {
      try {
        if (this.setting !== undefined) await this.#gatherLate();
      } finally {
        await this.setting?.[Symbol.asyncDispose]();
        await this.host?.[Symbol.asyncDispose]();
      }
      assert.deepEqual(this.#late, [], 'this arrived after the attack that it may have come from');
      // Where only some of the tests ran, the table stays as it is.
      if (this.#done === this.#planned)
        await writeResults(options.title, this.#columns, [...this.#rows.values()]);
    });
  }

  /** Declares the tests: every attack in every stage, and each once where nothing stands in its way. */
  declare(attacks: readonly Attack[], stages: readonly Stage[]): void {
    this.#columns.push(
      ...[...stages.map(({ column }) => column), CONTROL].filter((one) => !this.#columns.includes(one)),
    );
    for (const stage of stages) {
      const { prepare } = stage;
      if (prepare !== undefined) test(prepare.name, () => prepare.run(this.setting));
      for (const attack of attacks) {
        if (attack.stages !== undefined && !attack.stages.includes(stage.column)) continue;
        this.#plan(
          attack.name,
          stage.column,
          `${attack.name}: ${attack.passes ? 'arrives' : 'nothing arrives'} (${stage.column})`,
          () => this.#confined(attack, stage),
        );
      }
    }
    for (const attack of attacks) {
      if (attack.uncontrolled === undefined)
        this.#plan(attack.name, CONTROL, `${attack.name}: arrives by an ordinary route`, () =>
          this.#ordinary(attack),
        );
      else this.#row(attack.name).cells.set(CONTROL, attack.uncontrolled);
    }
  }

  /** A test that is none of attack and control, with a cell for its result. */
  declareTest(name: string, column: string, good: string, run: () => Promise<void>): void {
    if (!this.#columns.includes(column)) this.#columns.push(column);
    this.#plan(name, column, `${name} (${column})`, async () => {
      await run();
      return good;
    });
  }

  #plan(row: string, column: string, name: string, run: () => Promise<string>): void {
    this.#row(row);
    this.#planned++;
    test(name, async () => {
      const cell = { text: '**failed**' };
      try {
        cell.text = await run();
      } finally {
        this.#done++;
        this.#row(row).cells.set(column, cell.text);
      }
    });
  }

  #row(name: string): Row {
    const row = this.#rows.get(name) ?? { name, cells: new Map<string, string>() };
    this.#rows.set(name, row);
    return row;
  }

  async #confined(attack: Attack, { place }: Stage): Promise<string> {
    const { outcome, arrivals } = await this.during(place, attack);
    if (attack.says !== undefined) assert.match(outcome.said, attack.says);
    if (attack.passes) {
      assert.ok(
        arrivals.some(({ to }) => to === attack.to),
        `nothing arrived: ${outcome.said}`,
      );
      return 'arrives';
    }
    const permitted = (arrival: Arrival) => attack.permits?.(arrival, this.setting) ?? false;
    const escaped = arrivals.filter((one) => !this.setting.isOrdinary(one) && !permitted(one));
    assert.deepEqual(escaped, [], `the attacker was told ${outcome.said}`);
    assert.doesNotMatch(outcome.said, /^(hung|failed)/);
    assert.ok(outcome.ms < (attack.within ?? REFUSED_MS), `it took ${outcome.ms} ms: ${outcome.said}`);
    if (attack.reached !== undefined) assert.doesNotMatch(outcome.said, attack.reached);
    return '0 bytes';
  }

  async #ordinary(attack: Attack): Promise<string> {
    const { setting } = this;
    const to = typeof attack.to === 'function' ? attack.to(setting) : attack.to;
    if (attack.reached !== undefined) {
      assert.match((await this.during('ordinary', attack)).outcome.said, attack.reached);
      return 'arrives';
    }
    const { outcome, arrivals } = await this.during(
      'ordinary',
      attack,
      (arrival, mark) =>
        arrival.marks.some((one) => one.startsWith(mark)) ||
        (to !== undefined && arrival.to === to && setting.isOrdinary(arrival)),
    );
    assert.notEqual(arrivals.length, 0, `nothing arrived; the attacker was told ${outcome.said}`);
    return 'arrives';
  }

  /** Attacks, and hands back what arrived anywhere since: once all is still, or with `until` once that has come. */
  async during(
    place: Place,
    { call }: Pick<Attack, 'call'>,
    until?: (arrival: Arrival, mark: string) => boolean,
  ): Promise<{ outcome: Outcome; arrivals: readonly Arrival[] }> {
    const { setting, host } = this;
    const mark = `mark-${++this.#count}-${place}`;
    const start = await this.#gatherLate();
    const outcome = await setting.attack(place, call(mark, setting, host));
    const deadline = performance.now() + ARRIVES_MS;
    for (;;) {
      await this.#settle(start);
      const { arrivals, next } = await this.#since(start);
      this.#seen = next;
      if (until === undefined) return { outcome, arrivals };
      const found = arrivals.filter((arrival) => until(arrival, mark));
      if (found.length > 0 || performance.now() > deadline) return { outcome, arrivals: found };
    }
  }

  /** Notes what arrived since the last attack and is neither of the ordinary container nor allowed. */
  async #gatherLate(): Promise<readonly number[]> {
    const { setting } = this;
    const reaches = this.#options.reaches ?? [];
    const { arrivals, next } = await this.#since(this.#seen);
    this.#late.push(
      ...arrivals.filter(
        (one) => !setting.isOrdinary(one) && !isAllowed(one, setting) && !reaches.includes(one.to),
      ),
    );
    return next;
  }

  /** Returns once both counters have counted what was sent before. */
  async #settle(since: readonly number[]): Promise<void> {
    const { internet, neighbour } = this.setting;
    const mark = `mark-settled-${++this.#count}-ordinary`;
    for (const [n, one] of [internet, neighbour].entries()) {
      await this.setting.attack('ordinary', { attack: 'udp', to: one.address, port: 5, mark });
      while (!(await one.arrivals(since[n])).arrivals.some(({ marks }) => marks.includes(mark)));
    }
  }

  /** What arrived anywhere behind a position, and the position behind that. */
  async #since([there = 0, beside = 0, here = 0]: readonly number[]) {
    const { internet, neighbour } = this.setting;
    const found = await Promise.all([internet.arrivals(there), neighbour.arrivals(beside)]);
    const settling = ({ marks }: Arrival) => marks.some((mark) => mark.startsWith('mark-settled'));
    const all = [...found.flatMap(({ arrivals }) => arrivals), ...this.host.arrivals.slice(here)];
    return {
      arrivals: all.filter((one) => !settling(one)),
      next: [...found.map(({ next }) => next), this.host.arrivals.length],
    };
  }
}
