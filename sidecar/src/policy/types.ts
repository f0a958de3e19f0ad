import type { Endpoint, HttpTarget, Target, TunnelTarget } from '../target/types.ts';

/** A place in a policy source. `file` is a path, or `--allow`, `--deny`, `preset:NAME`. Line and column from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** One fault of a policy, printed as `FILE:LINE:COLUMN: message`. */
export interface PolicyFault extends SourcePosition {
  readonly message: string;
}

export type Mode = 'enforce' | 'audit';
export type Inspect = 'always' | 'auto' | 'never';
export type RuleProtocol = 'http' | 'https' | 'tcp';

export interface PortRange {
  readonly from: number;
  readonly to: number;
}

export interface Limits {
  /** token bucket: `count` per `perSeconds` (1, 60 or 3600) */
  readonly requests?: { readonly count: number; readonly perSeconds: number };
  readonly concurrent?: number;
  /** bytes */
  readonly requestBody?: number;
  /** bytes */
  readonly responseBody?: number;
}

/** A header set on every request that the rule allows. The value is resolved at load and is a secret. */
export interface Injection {
  readonly header: string;
  readonly value: string;
}

/** One rule as written, checked and normalised. An absent list means what policy.md says it means. */
export interface RuleSpec {
  readonly domains?: readonly string[];
  readonly cidrs?: readonly string[];
  readonly ports?: readonly PortRange[] | 'any';
  readonly protocol?: RuleProtocol;
  readonly methods?: readonly string[];
  readonly paths?: readonly string[];
  readonly repos?: readonly { readonly host: string; readonly owner: string; readonly name: string }[];
  readonly access?: 'read' | 'write';
  readonly registries?: readonly string[];
  readonly packages?: readonly string[];
  readonly presets?: readonly string[];
  readonly private?: boolean;
  readonly inspect?: Inspect;
  readonly upgrade?: readonly string[];
  readonly limits?: Limits;
  readonly inject?: Injection;
  readonly reason?: string;
}

export interface Rule extends SourcePosition {
  /** Dense, from 0, in the order of the file: an index for per-rule state outside the policy. */
  readonly id: number;
  readonly effect: 'allow' | 'deny';
  readonly spec: RuleSpec;
  /** `FILE:LINE`, what logs and metrics call the rule. */
  readonly label: string;
}

/** What the rules say of a target, before its name is looked up. */
export interface Decision {
  readonly allowed: boolean;
  /** The rule that decided: the deny, or the first allow. Null where no rule spoke. */
  readonly rule: Rule | null;
  /** For people: why. */
  readonly reason: string;
  /** When denied: what the owner of the policy could do, as in `They could REMEDY.` */
  readonly remedy?: string;
  /** Every allow rule that matches all but the address. Empty when denied. Limits of all of them apply. */
  readonly allows: readonly Rule[];
}

/** What the policy says of one address that the target's name resolved to (or that the target is). */
export interface AddressDecision {
  readonly allowed: boolean;
  /** The allow rule that matches request and address both, or the deny rule that refused it. */
  readonly rule: Rule | null;
  readonly reason: string;
  /** As in `Decision`. */
  readonly remedy?: string;
}

/** What to do with a connection to an endpoint before a byte of it was read. */
export type Treatment =
  /** No rule could allow anything there (or a deny closes all of it). */
  | { readonly kind: 'deny'; readonly decision: Decision }
  /** A tcp rule matches: pass the bytes, read nothing. */
  | { readonly kind: 'tcp'; readonly target: TunnelTarget; readonly decision: Decision }
  /** Read the first bytes: plain HTTP is judged per request; TLS is opened, or passed by its server name. */
  | { readonly kind: 'sniff'; readonly tls: 'open' | 'pass' };

/** The compiled, immutable form of one policy. Every method is synchronous, pure and never throws. */
export interface Policy {
  readonly mode: Mode;
  readonly inspect: Inspect;
  readonly onAuditFailure: 'continue' | 'deny';
  /** sha256 of the sources, hex */
  readonly hash: string;
  /** the files it was read from (for watching); strings given on a command line have none */
  readonly files: readonly string[];
  readonly rules: readonly Rule[];
  /** Keys that the chosen isolation would have to enforce: 'files', 'commands'. */
  readonly confines: readonly ('files' | 'commands')[];
  /** The verdict of the rules, as `enforce` would have it; `mode` is the caller's business. */
  decide(target: Target): Decision;
  /** How to treat a connection (CONNECT, redirected socket) to `endpoint`. */
  treat(endpoint: Endpoint): Treatment;
  /**
   * Could the rules, as `enforce` has them, ever allow anything at this name (canonical, no address), on any port and
   * in any protocol? Denies that look at requests or addresses are left out of account: at most too much is said to
   * be possible. For the question whether a name is worth a remark when it is asked for.
   */
  mayReach(name: string): boolean;
  /**
   * Judges one address for a target that `decide` allowed (or that mode `audit` lets pass: then
   * `decision.allows` is empty and only address classes and cidr denies are judged).
   * `address` is canonical text. Special classes need their opening on the rule itself.
   */
  judgeAddress(target: Target, decision: Decision, address: string): AddressDecision;
  /** The header values of matching inject rules, for a request over opened TLS. */
  injections(target: HttpTarget, decision: Decision): readonly Injection[];
}

/** Where a policy comes from. */
export interface PolicySource {
  /** what to call it in positions */
  readonly file: string;
  readonly text: string;
}

/** What a file says about the command that runs it, under the keys of Coder's Agent Firewall. */
export interface Settings {
  readonly proxyPort?: number;
  readonly logLevel?: 'error' | 'warn' | 'info' | 'debug';
  readonly logDir?: string;
  readonly upstreamProxy?: string;
}

export type LoadResult =
  | {
      readonly ok: true;
      readonly policy: Policy;
      readonly warnings: readonly PolicyFault[];
      readonly settings: Settings;
    }
  | { readonly ok: false; readonly faults: readonly PolicyFault[] };
