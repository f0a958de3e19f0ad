import { STATUS_CODES } from 'node:http';
import type { Rule } from '../policy/types.ts';
import type { Refusal } from '../target/types.ts';

/** Why a request gets no answer of the upstream's. */
export interface Denial {
  readonly status: number;
  /** For people: what was found and what was expected. The client is told it, and the audit log. */
  readonly reason: string;
  /** What the owner of the policy could do. Only the client is told: it may be what gets them to ask. */
  readonly remedy?: string;
  readonly rule: Rule | null;
  /** Seconds, for 429. */
  readonly retryAfter?: number;
  /** Every name the client claimed, where names disagreed. */
  readonly claimed?: readonly string[];
  /** The address that was judged and refused. */
  readonly address?: string;
}

export function denialOf(refusal: Refusal): Denial {
  return { status: refusal.status, reason: refusal.reason, rule: null, claimed: refusal.claimed };
}

/** An answer of boundary's own, ready to be sent. */
export interface OwnAnswer {
  readonly status: number;
  readonly statusText: string;
  /** name, value, name, value ... */
  readonly headers: string[];
  readonly body: Buffer;
}

/** Said once, to people and agents alike, of whatever the policy denied. */
function adviceOf({ remedy }: Denial): string {
  const change = remedy === undefined ? '' : ` They could ${remedy}.`;
  return `This is a decision, not a fault. Do not try to get there another way: it will be refused and recorded as well. If you need it, ask the people who keep the policy and show them this message.${change}`;
}

/**
 * The answer to a denied or failed request.
 * @param id what to look up in the audit log
 */
export function ownAnswer(denial: Denial, id: string, json: boolean): OwnAnswer {
  const { status, reason, rule } = denial;
  const isPolicy = status === 403;
  const statusText = STATUS_CODES[status] ?? 'Refused';
  const text = json
    ? `${JSON.stringify({
        error: isPolicy ? 'denied_by_boundary' : statusText.toLowerCase().replaceAll(' ', '_'),
        status,
        reason,
        rule: rule === null ? null : { file: rule.file, line: rule.line },
        request_id: id,
        ...(isPolicy && { what_to_do: adviceOf(denial) }),
      })}\n`
    : [
        isPolicy ? 'boundary denied this request.' : `boundary: ${status} ${statusText}.`,
        `Reason: ${reason}`,
        ...(rule === null ? [] : [`Rule: ${rule.label}`]),
        `Request id: ${id}`,
        ...(isPolicy ? [adviceOf(denial)] : []),
        '',
      ].join('\n');
  const body = Buffer.from(text);
  const headers = [
    'Content-Type',
    json ? 'application/json' : 'text/plain; charset=utf-8',
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-store',
    'X-Boundary-Request-Id',
    id,
  ];
  if (denial.retryAfter !== undefined) headers.push('Retry-After', String(denial.retryAfter));
  return { status, statusText, headers, body };
}

/** The same as octets, for a connection that no HTTP parser holds any more. It ends the connection. */
export function ownAnswerBytes(answer: OwnAnswer): Buffer {
  let head = `HTTP/1.1 ${answer.status} ${answer.statusText}\r\n`;
  for (let i = 0; i + 1 < answer.headers.length; i += 2)
    head += `${answer.headers[i]}: ${answer.headers[i + 1]}\r\n`;
  return Buffer.concat([Buffer.from(`${head}Connection: close\r\n\r\n`, 'latin1'), answer.body]);
}
