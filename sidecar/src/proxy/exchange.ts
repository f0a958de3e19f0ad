import type { Duplex, Readable } from 'node:stream';
import type { AuditEntry, AuditProtocol } from '../audit/types.ts';
import type { Injection, Policy, Rule } from '../policy/types.ts';
import { authorityOf, defaultPort, urlOf } from '../target/target-text.ts';
import type { HttpTarget, Parsed } from '../target/types.ts';
import type { Answer } from './answer.ts';
import type { Live, ProxyCore } from './core.ts';
import { type Denial, denialOf, ownAnswer } from './denial.ts';
import { type ForwardedRequest, forwardRequest } from './forwarded-headers.ts';
import { BodyTooLarge, MeteredBody } from './metered-body.ts';
import { bodyLimit } from './rule-limits.ts';
import { Tunnel } from './tunnel.ts';
import { askForUpgrade } from './upgrade-headers.ts';
import type { ResponseSink, Route, UpstreamError, UpstreamExchange } from './upstream-types.ts';
import {
  isDenial,
  judgeAddresses,
  judgeRules,
  knownAddresses,
  lookupDenial,
  type Passed,
  refusedNow,
  resolvedElsewhere,
} from './verdict.ts';

/** One request as a front end hands it over. */
export interface IncomingRequest {
  readonly parsed: Parsed<HttpTarget>;
  /** For the record of a request of which no target could be made. */
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly rawHeaders: readonly string[];
  readonly http2: boolean;
  /** The body, and whether HTTP/2 says that there is none. */
  readonly body: Readable;
  readonly ended: boolean;
  /** Raw trailers, once the body has ended. */
  trailers(): readonly string[];
}

const NO_RULES: readonly Rule[] = [];
const NO_INJECTIONS: readonly Injection[] = [];

/**
 * One request from its verdict to its end: judged, resolved, sent to an address that was judged, and answered as
 * it streams. Whatever fails before the upstream has answered is answered here; after that the answer is cut.
 */
export class Exchange implements ResponseSink, Live {
  readonly kind = 'work';
  readonly #core: ProxyCore;
  readonly #request: IncomingRequest;
  readonly #answer: Answer;
  readonly #startedAt = performance.now();
  #policy: Policy;
  #forwarded: ForwardedRequest | null = null;
  #limited: readonly Rule[] = NO_RULES;
  #responseLimit = Number.POSITIVE_INFINITY;
  #entry: AuditEntry | null = null;
  #upstream: UpstreamExchange | null = null;
  #body: MeteredBody | null = null;
  #address: string | null = null;
  #status: number | null = null;
  #bytesOut = 0;
  #done = false;

  constructor(core: ProxyCore, request: IncomingRequest, answer: Answer) {
    this.#core = core;
    this.#request = request;
    this.#answer = answer;
    this.#policy = core.options.policy();
  }

  /** Runs the request. Never throws: a fault of ours is a denial with a record. */
  start(): void {
    this.#core.live.add(this);
    this.#answer.listen(this);
    try {
      this.#judge();
    } catch (error) {
      this.#fault(error);
    }
  }

  #judge(): void {
    const { parsed } = this.#request;
    if (!parsed.ok) {
      this.#deny(denialOf(parsed.refusal));
      return;
    }
    const target = parsed.value;
    const passed = judgeRules(this.#core, this.#policy, target);
    if (isDenial(passed)) {
      this.#deny(passed);
      return;
    }
    if (resolvedElsewhere(this.#core, target)) {
      this.#send(target, passed, [], passed.decision.rule, passed.decision.reason);
      return;
    }
    const known = knownAddresses(this.#core, target);
    if (known !== null) {
      this.#reach(target, passed, known);
      return;
    }
    this.#core.options.resolver.lookup(target.host).then(
      (addresses) => this.#guard(() => this.#reach(target, passed, addresses)),
      (error: unknown) => this.#guard(() => this.#failLookup(passed, lookupDenial(target, error))),
    );
  }

  #guard(step: () => void): void {
    if (this.#done) return;
    try {
      step();
    } catch (error) {
      this.#fault(error);
    }
  }

  #reach(target: HttpTarget, passed: Passed, addresses: readonly string[]): void {
    // A reload while the name was looked up: what is sent is judged by the policy in force.
    if (this.#core.options.policy() !== this.#policy) {
      this.#policy = this.#core.options.policy();
      this.#judge();
      return;
    }
    const reachable = judgeAddresses(this.#core, this.#policy, target, passed.decision, addresses);
    if (!isDenial(reachable)) {
      this.#send(target, passed, reachable.addresses, reachable.rule, reachable.reason);
      return;
    }
    if (reachable.status === 403) this.#core.options.metrics.upstreamError('address-denied');
    this.#deny(reachable);
  }

  #send(
    target: HttpTarget,
    passed: Passed,
    addresses: readonly string[],
    rule: Rule | null,
    reason: string,
  ): void {
    const { decision, word } = passed;
    const limited = decision.allows.some((each) => each.spec.limits !== undefined)
      ? decision.allows
      : NO_RULES;
    const injections =
      word === 'allow' && target.scheme === 'https'
        ? this.#policy.injections(target, decision)
        : NO_INJECTIONS;
    if (injections.length > 0 && target.method === 'TRACE') {
      const injected = 'TRACE would echo a header that the policy injects. Use another method.';
      this.#deny({ status: 403, reason: injected, rule });
      return;
    }
    const forwarded = this.#forward(target, injections);
    if (forwarded.expect !== null && forwarded.expect.toLowerCase() !== '100-continue') {
      const unmet = 'The only expectation that can be met is "100-continue" (RFC 9110 section 10.1.1).';
      this.#deny({ status: 417, reason: unmet, rule: null });
      return;
    }
    if (target.upgrade !== null) {
      if (forwarded.hasBody) {
        const bodied = 'A request that asks for an upgrade came with a body. Send it without.';
        this.#deny({ status: 400, reason: bodied, rule: null });
        return;
      }
      askForUpgrade(forwarded.headers, target.upgrade, this.#request.http2);
    }
    const requestLimit = bodyLimit(limited, 'requestBody');
    if ((forwarded.contentLength ?? 0) > requestLimit) {
      const long = `The body has ${forwarded.contentLength} bytes, the policy allows ${requestLimit}.`;
      this.#deny({ status: 413, reason: long, rule });
      return;
    }
    const tooMany = this.#core.limits.take(limited);
    if (tooMany !== null) {
      this.#deny({ status: 429, ...tooMany });
      return;
    }
    this.#limited = limited;
    this.#responseLimit = bodyLimit(limited, 'responseBody');
    this.#open(word, target, rule, reason, null);
    const route: Route = { scheme: target.scheme, host: target.host, port: target.port, addresses };
    const hasBody =
      target.upgrade === null && (this.#request.http2 ? !this.#request.ended : forwarded.hasBody);
    if (hasBody) this.#body = new MeteredBody(this.#request.body, requestLimit);
    const { upstream } = this.#core.options;
    const request = {
      method: target.method,
      path: target.path + target.query,
      headers: forwarded.headers,
      body: this.#body,
      contentLength: hasBody ? forwarded.contentLength : null,
      expectContinue: hasBody && forwarded.expect !== null,
      trailers: this.#request.trailers,
    };
    const exchange = forwarded.isGrpc
      ? upstream.requestHttp2(route, request, this)
      : upstream.request(route, request, this);
    if (this.#done) exchange.abort();
    else this.#upstream = exchange;
  }

  #forward(target: HttpTarget, injections: readonly Injection[]): ForwardedRequest {
    const authority = authorityOf(target);
    const host =
      target.port === defaultPort(target.scheme) ? authority.slice(0, authority.lastIndexOf(':')) : authority;
    this.#forwarded = forwardRequest(this.#request.rawHeaders, host, injections, this.#request.http2);
    return this.#forwarded;
  }

  onConnected(address: string): void {
    this.#address = address;
    this.#entry?.address(address);
  }

  onInformational(status: number, rawHeaders: readonly string[]): void {
    if (!this.#done) this.#answer.informational(status, rawHeaders);
  }

  onHead(status: number, statusText: string, rawHeaders: readonly string[]): void {
    if (this.#done) return;
    this.#core.options.metrics.firstByteTime((performance.now() - this.#startedAt) / 1000);
    try {
      this.#answer.head(status, statusText, rawHeaders);
      this.#status = status;
    } catch (error) {
      this.#upstream?.abort();
      this.#fail(502, `The upstream's answer cannot be sent on: ${messageOf(error)}`, 'upstream-protocol');
    }
  }

  onData(chunk: Buffer): boolean {
    if (this.#done) return true;
    this.#bytesOut += chunk.length;
    if (this.#bytesOut > this.#responseLimit) {
      this.#upstream?.abort();
      this.#cut('response-too-large');
      return true;
    }
    return this.#answer.data(chunk);
  }

  onEnd(rawTrailers: readonly string[]): void {
    if (this.#done) return;
    this.#answer.end(rawTrailers);
    this.#finish(null);
  }

  onError(error: UpstreamError): void {
    if (this.#done) return;
    const broken = this.#body?.errored;
    if (broken instanceof BodyTooLarge) {
      this.#fail(413, broken.message, 'request-too-large');
      return;
    }
    if (broken) {
      this.#cut('client-abort');
      return;
    }
    this.#fail(error.status, error.message, `upstream-${error.kind}`);
  }

  onUpgrade(statusText: string, rawHeaders: readonly string[], socket: Duplex, head: Buffer): void {
    const { parsed } = this.#request;
    const entry = this.#entry;
    if (this.#done || entry === null || !parsed.ok || parsed.value.upgrade === null) {
      socket.destroy();
      this.#fail(502, 'The upstream upgraded a request that did not ask for it.', 'upstream-protocol');
      return;
    }
    this.#done = true;
    this.#core.live.delete(this);
    const client = this.#answer.upgrade(statusText, rawHeaders);
    const release = () => this.#core.limits.release(this.#limited);
    const tunnel = new Tunnel(this.#core, client, { target: parsed.value, entry, status: 101, release });
    tunnel.addressed(this.#address);
    tunnel.join(socket, head);
  }

  drained(): void {
    this.#upstream?.resume();
  }

  gone(): void {
    if (this.#done) return;
    this.#upstream?.abort();
    this.#finish('client-abort');
  }

  refusedBy(policy: Policy): boolean {
    const { parsed } = this.#request;
    return this.#entry !== null && parsed.ok && refusedNow(policy, parsed.value, this.#address);
  }

  close(cause: string): void {
    if (this.#done) return;
    this.#upstream?.abort();
    this.#cut(cause);
  }

  /** A failure after the verdict: an answer where none was begun, else a visible break. */
  #fail(status: number, reason: string, cause: string): void {
    if (this.#answer.started) {
      this.#cut(cause);
      return;
    }
    const answer = ownAnswer({ status, reason, rule: null }, this.#entry?.id ?? '', this.#acceptsJson());
    this.#status = status;
    this.#bytesOut = answer.body.length;
    this.#answer.own(answer);
    this.#finish(cause);
  }

  #cut(cause: string): void {
    this.#finish(cause);
    this.#answer.cut();
  }

  #failLookup(passed: Passed, denial: Denial): void {
    const { parsed } = this.#request;
    this.#core.options.metrics.upstreamError('resolve');
    const target = parsed.ok ? parsed.value : null;
    this.#open(passed.word, target, passed.decision.rule, passed.decision.reason, null);
    this.#fail(denial.status, denial.reason, 'upstream-resolve');
  }

  #deny(denial: Denial): void {
    const { parsed } = this.#request;
    this.#open('deny', parsed.ok ? parsed.value : null, denial.rule, denial.reason, denial.claimed ?? null);
    const answer = ownAnswer(denial, this.#entry?.id ?? '', this.#acceptsJson());
    this.#status = denial.status;
    this.#bytesOut = answer.body.length;
    this.#answer.own(answer);
    this.#finish(null);
  }

  #fault(error: unknown): void {
    const reason = 'boundary failed on this request, so it was not sent. Please report it.';
    if (this.#entry === null) {
      this.#deny({ status: 500, reason: `${reason} (${messageOf(error)})`, rule: null });
      return;
    }
    this.#upstream?.abort();
    this.#fail(500, reason, `internal: ${messageOf(error)}`);
  }

  #open(
    verdict: 'allow' | 'deny' | 'would-deny',
    target: HttpTarget | null,
    rule: Rule | null,
    reason: string,
    claimed: readonly string[] | null,
  ): void {
    const protocol: AuditProtocol = target?.scheme ?? this.#request.scheme;
    const method = target?.method ?? this.#request.method;
    this.#core.options.metrics.decision(verdict, protocol, method, rule);
    this.#entry = this.#core.options.audit.open({
      protocol,
      method,
      url: target === null ? null : urlOf(target),
      host: target?.host ?? null,
      port: target?.port ?? null,
      address: null,
      claimed: claimed ?? [],
      verdict,
      rule,
      reason,
    });
  }

  #acceptsJson(): boolean {
    if (this.#forwarded !== null) return this.#forwarded.acceptsJson;
    const { rawHeaders, http2 } = this.#request;
    return forwardRequest(rawHeaders, '', NO_INJECTIONS, http2).acceptsJson;
  }

  #finish(error: string | null): void {
    if (this.#done) return;
    this.#done = true;
    this.#core.live.delete(this);
    if (this.#limited !== NO_RULES) this.#core.limits.release(this.#limited);
    const { metrics } = this.#core.options;
    const bytesIn = this.#body?.bytes ?? 0;
    if (bytesIn > 0) metrics.bytes('in', bytesIn);
    if (this.#bytesOut > 0) metrics.bytes('out', this.#bytesOut);
    metrics.totalTime((performance.now() - this.#startedAt) / 1000);
    this.#entry?.end({ status: this.#status, bytesIn, bytesOut: this.#bytesOut, error });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
