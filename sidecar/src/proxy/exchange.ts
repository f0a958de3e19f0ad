import type { Duplex, Readable } from 'node:stream';
import type { Policy, Rule } from '../policy/types.ts';
import type { HttpTarget, Parsed } from '../target/types.ts';
import { type Admission, admit, NO_INJECTIONS, NO_RULES, type RequestFacts } from './admission.ts';
import type { Answer } from './answer.ts';
import type { Live, ProxyCore } from './core.ts';
import { type Denial, denialOf, ownAnswer } from './denial.ts';
import { announcedLength, forwardRequest, forwardTrailers } from './forwarded-headers.ts';
import { BodyTooLarge, MeteredBody } from './metered-body.ts';
import { RequestRecord } from './request-record.ts';
import { Tunnel } from './tunnel.ts';
import type { ResponseSink, UpstreamError, UpstreamExchange } from './upstream-types.ts';
import {
  isDenial,
  judgeAddresses,
  judgeRules,
  knownAddresses,
  lookupDenial,
  type Passed,
  type Reachable,
  refusedNow,
  resolvedElsewhere,
} from './verdict.ts';

/** One request as a front end hands it over. */
export interface IncomingRequest extends RequestFacts {
  readonly parsed: Parsed<HttpTarget>;
  /** For the record of a request of which no target could be made. */
  readonly method: string;
  readonly scheme: 'http' | 'https';
  readonly body: Readable;
  /** Raw trailers, once the body has ended. */
  trailers(): readonly string[];
}

/**
 * One request from its verdict to its end: judged, resolved, sent to an address that was judged, and answered as
 * it streams. Whatever fails before the upstream has answered is answered here; after that the answer is cut.
 */
export class Exchange implements ResponseSink, Live {
  readonly kind = 'work';
  slot = -1;
  readonly #core: ProxyCore;
  readonly #request: IncomingRequest;
  readonly #answer: Answer;
  readonly #record: RequestRecord;
  #policy: Policy;
  #limited: readonly Rule[] = NO_RULES;
  #responseLimit = Number.POSITIVE_INFINITY;
  #upstream: UpstreamExchange | null = null;
  #body: MeteredBody | null = null;
  /** Those that may be dialled. */
  #addresses: readonly string[] = [];
  #address: string | null = null;
  #done = false;

  constructor(core: ProxyCore, request: IncomingRequest, answer: Answer) {
    this.#core = core;
    this.#request = request;
    this.#answer = answer;
    this.#policy = core.options.policy();
    this.#record = new RequestRecord(core.options);
  }

  /** Runs the request. Never throws: a fault of ours is a denial with a record. */
  start(): void {
    this.#core.live.add(this);
    this.#answer.listen(this);
    this.#guard(() => this.#judge());
  }

  #guard(step: () => void): void {
    if (this.#done) return;
    try {
      step();
    } catch (error) {
      this.#fault(error);
    }
  }

  #judge(): void {
    const { parsed } = this.#request;
    const passed = parsed.ok ? judgeRules(this.#core, this.#policy, parsed.value) : denialOf(parsed.refusal);
    if (isDenial(passed) || !parsed.ok) {
      if (isDenial(passed)) this.#deny(passed);
      return;
    }
    const target = parsed.value;
    if (resolvedElsewhere(this.#core, target)) {
      const { rule, reason } = passed.decision;
      this.#send(target, passed, { word: passed.word, addresses: [], rule, reason });
      return;
    }
    const known = knownAddresses(this.#core, target);
    if (known !== null) {
      this.#reach(target, passed, known);
      return;
    }
    this.#core.options.resolver.lookup(target.host).then(
      (addresses) => this.#guard(() => this.#reach(target, passed, addresses)),
      (error: unknown) => this.#guard(() => this.#failLookup(target, passed, lookupDenial(target, error))),
    );
  }

  #reach(target: HttpTarget, passed: Passed, addresses: readonly string[]): void {
    // A reload while the name was looked up: what is sent is judged by the policy in force.
    if (this.#core.options.policy() !== this.#policy) {
      this.#policy = this.#core.options.policy();
      this.#judge();
      return;
    }
    const reachable = judgeAddresses(this.#core, this.#policy, target, passed, addresses);
    if (!isDenial(reachable)) {
      this.#send(target, passed, reachable);
      return;
    }
    if (reachable.status === 403) this.#core.options.metrics.upstreamError('address-denied');
    this.#deny(reachable);
  }

  #send(target: HttpTarget, passed: Passed, reachable: Reachable): void {
    const admission = admit(this.#core, this.#policy, this.#request, target, passed, reachable.addresses);
    if (isDenial(admission)) {
      this.#deny(admission);
      return;
    }
    this.#limited = admission.limited;
    this.#addresses = reachable.addresses;
    this.#responseLimit = admission.responseLimit;
    this.#record.open(reachable.word, target, this.#request, reachable);
    this.#dispatch(target, admission, reachable.addresses);
  }

  #dispatch(target: HttpTarget, admission: Admission, addresses: readonly string[]): void {
    const { forwarded, injections, hasBody, requestLimit } = admission;
    const { scheme, host, port, method, path, query } = target;
    if (hasBody) this.#body = new MeteredBody(this.#request.body, requestLimit);
    const { upstream } = this.#core.options;
    const route = { scheme, host, port, addresses };
    const request = {
      method,
      path: path + query,
      headers: forwarded.headers,
      body: this.#body,
      contentLength: hasBody ? forwarded.contentLength : null,
      expectContinue: hasBody && forwarded.expect !== null,
      trailers: () => forwardTrailers(this.#request.trailers(), injections),
    };
    const exchange = forwarded.isGrpc
      ? upstream.requestHttp2(route, request, this)
      : upstream.request(route, request, this);
    if (this.#done) exchange.abort();
    else this.#upstream = exchange;
  }

  onConnected(address: string): void {
    this.#address = address;
    this.#record.entry?.address(address);
  }

  onInformational(status: number, rawHeaders: readonly string[]): void {
    if (this.#done) return;
    try {
      this.#answer.informational(status, rawHeaders);
    } catch {
      // It has no form in the client's protocol. Any of them may be left out (RFC 9110 section 15.2).
    }
  }

  onHead(status: number, statusText: string, rawHeaders: readonly string[]): void {
    if (this.#done) return;
    if (this.#request.method !== 'HEAD' && announcedLength(rawHeaders) > this.#responseLimit) {
      this.#upstream?.abort();
      const reason = `The answer is longer than the ${this.#responseLimit} bytes that the policy allows.`;
      this.#fail(502, reason, 'response-too-large');
      return;
    }
    this.#record.firstByte();
    try {
      this.#answer.head(status, statusText, rawHeaders);
      this.#record.status = status;
    } catch (error) {
      this.#upstream?.abort();
      this.#fail(502, `The upstream's answer cannot be sent on: ${messageOf(error)}`, 'upstream-protocol');
    }
  }

  onData(chunk: Buffer): boolean {
    if (this.#done) return true;
    this.#record.bytesOut += chunk.length;
    if (this.#record.bytesOut <= this.#responseLimit) return this.#answer.data(chunk);
    this.#upstream?.abort();
    this.#cut('response-too-large');
    return true;
  }

  onEnd(rawTrailers: readonly string[]): void {
    if (this.#done) return;
    try {
      this.#answer.end(rawTrailers);
    } catch {
      this.#cut('upstream-protocol');
      return;
    }
    this.#finish(null);
  }

  onError(error: UpstreamError): void {
    if (this.#done) return;
    const broken = this.#body?.errored;
    if (broken instanceof BodyTooLarge) this.#fail(413, broken.message, 'request-too-large');
    else if (broken) this.#cut('client-abort');
    else this.#fail(error.status, error.message, `upstream-${error.kind}`);
  }

  onUpgrade(statusText: string, rawHeaders: readonly string[], socket: Duplex, head: Buffer): void {
    const { parsed } = this.#request;
    const { entry } = this.#record;
    if (this.#done || entry === null || !parsed.ok || parsed.value.upgrade === null) {
      socket.destroy();
      if (!this.#done) this.#fail(502, 'The upstream upgraded an ordinary request.', 'upstream-protocol');
      return;
    }
    // From here on the tunnel keeps the record, and gives back what the limits count.
    this.#done = true;
    this.#core.live.delete(this);
    const client = this.#answer.upgrade(statusText, rawHeaders);
    const release = () => this.#core.limits.release(this.#limited);
    const tunnel = new Tunnel(this.#core, client, {
      target: parsed.value,
      entry,
      addresses: this.#addresses,
      status: 101,
      release,
    });
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
    // Before its verdict it is judged by the policy in force anyway.
    return (
      this.#record.entry !== null &&
      parsed.ok &&
      refusedNow(policy, parsed.value, this.#addresses, this.#address)
    );
  }

  close(cause: string): void {
    if (this.#done) return;
    this.#upstream?.abort();
    this.#cut(cause);
  }

  /** A failure after the verdict: an answer where none was begun, else a visible break. */
  #fail(status: number, reason: string, cause: string): void {
    if (this.#answer.started) this.#cut(cause);
    else this.#answerSelf({ status, reason, rule: null }, cause);
  }

  #answerSelf(denial: Denial, cause: string | null): void {
    const { rawHeaders, http2 } = this.#request;
    const { acceptsJson } = forwardRequest(rawHeaders, '', NO_INJECTIONS, http2);
    const answer = ownAnswer(denial, this.#record.entry?.id ?? '', acceptsJson);
    this.#record.status = denial.status;
    this.#record.bytesOut = answer.body.length;
    this.#answer.own(answer);
    this.#finish(cause);
  }

  #cut(cause: string): void {
    this.#finish(cause);
    this.#answer.cut();
  }

  #failLookup(target: HttpTarget, passed: Passed, denial: Denial): void {
    this.#core.options.metrics.upstreamError('resolve');
    this.#record.open(passed.word, target, this.#request, passed.decision);
    this.#answerSelf(denial, 'upstream-resolve');
  }

  #deny(denial: Denial): void {
    const { parsed } = this.#request;
    const target = parsed.ok ? parsed.value : null;
    this.#record.open('deny', target, this.#request, denial);
    this.#answerSelf(denial, null);
  }

  #fault(error: unknown): void {
    this.#upstream?.abort();
    const reason = `boundary failed on this request (${messageOf(error)}). Please report it.`;
    if (this.#record.entry === null) this.#deny({ status: 500, reason, rule: null });
    else this.#fail(500, reason, 'internal');
  }

  #finish(error: string | null): void {
    if (this.#done) return;
    this.#done = true;
    this.#core.live.delete(this);
    this.#core.limits.release(this.#limited);
    this.#record.end(this.#body?.bytes ?? 0, error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
