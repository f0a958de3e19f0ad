import type { AuditEntry } from '../audit/types.ts';
import { urlOf } from '../target/target-text.ts';
import type { HttpTarget } from '../target/types.ts';
import type { Denial } from './denial.ts';
import type { ProxyOptions } from './types.ts';

/** What audit and metrics are told of one request, from its verdict to its end. */
export class RequestRecord {
  readonly #options: Pick<ProxyOptions, 'audit' | 'metrics'>;
  readonly #startedAt = performance.now();
  /** Null before the verdict. */
  entry: AuditEntry | null = null;
  /** What the client was answered with. */
  status: number | null = null;
  /** Body octets to the client. */
  bytesOut = 0;

  constructor(options: Pick<ProxyOptions, 'audit' | 'metrics'>) {
    this.#options = options;
  }

  /** @param asked for a request of which no target could be made */
  open(
    verdict: 'allow' | 'deny' | 'would-deny',
    target: HttpTarget | null,
    asked: { readonly scheme: 'http' | 'https'; readonly method: string },
    { rule, reason, claimed, address }: Omit<Denial, 'status'>,
  ): void {
    const { audit, metrics } = this.#options;
    const protocol = target?.scheme ?? asked.scheme;
    const method = target?.method ?? asked.method;
    metrics.decision(verdict, protocol, method, rule);
    this.entry = audit.open({
      protocol,
      method,
      url: target === null ? null : urlOf(target),
      host: target?.host ?? null,
      port: target?.port ?? null,
      address: address ?? null,
      claimed: claimed ?? [],
      verdict,
      rule,
      reason,
    });
  }

  /** The upstream's head is here. */
  firstByte(): void {
    this.#options.metrics.firstByteTime((performance.now() - this.#startedAt) / 1000);
  }

  end(bytesIn: number, error: string | null): void {
    const { metrics } = this.#options;
    const { status, bytesOut } = this;
    if (bytesIn > 0) metrics.bytes('in', bytesIn);
    if (bytesOut > 0) metrics.bytes('out', bytesOut);
    metrics.totalTime((performance.now() - this.#startedAt) / 1000);
    this.entry?.end({ status, bytesIn, bytesOut, error });
  }
}
