import type { Rule } from '../policy/types.ts';

export type VerdictWord = 'allow' | 'deny' | 'would-deny';
export type AuditProtocol = 'http' | 'https' | 'tls' | 'tcp' | 'dns';

/** A verdict as it falls. What is not known is null. */
export interface VerdictRecord {
  readonly protocol: AuditProtocol;
  readonly method: string | null;
  /** Full URL for HTTP (query values are masked by the audit log), `tls://host:port`, `tcp://host:port`. */
  readonly url: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly address: string | null;
  /** Every name the client claimed, where names disagreed; else empty. */
  readonly claimed: readonly string[];
  readonly verdict: VerdictWord;
  readonly rule: Rule | null;
  readonly reason: string;
}

/** How it ended. */
export interface Outcome {
  /** HTTP status given to the client, for a tunnel its CONNECT's 200 or its upgrade's 101; null where nothing was answered. */
  readonly status: number | null;
  /** Body (or tunnel) bytes from the client. */
  readonly bytesIn: number;
  /** Body (or tunnel) bytes to the client. */
  readonly bytesOut: number;
  /** Short machine-readable cause (`client-abort`, `upstream-reset`, ...), or null for a clean end. */
  readonly error: string | null;
}

/** One request between its verdict and its end. `end` may be called once; later calls do nothing. */
export interface AuditEntry {
  readonly seq: number;
  /** The id people see in answers and can look up in the log: `${run}-${seq}`. */
  readonly id: string;
  /** Tells the address once it is known, before `end`. */
  address(address: string): void;
  end(outcome: Outcome): void;
}

/** Never blocks and never throws: what no sink could take is counted and said. */
export interface AuditLog {
  /** The id of this process's run, lower-case hex. */
  readonly run: string;
  /** Records a verdict: at once where it stays open for long, else together with its end. */
  open(verdict: VerdictRecord): AuditEntry;
  /** False while no sink can take a record. With `audit.on_failure: deny` nothing is allowed meanwhile. */
  readonly healthy: boolean;
  /** Resolves when every line so far is written, or could not be. */
  flush(): Promise<void>;
  /** Writes what is open and queued, within a deadline, and lets the sinks go. Never rejects. */
  close(): Promise<void>;
}
