import { type Explanation, explain } from '../policy/explain.ts';
import type { Policy } from '../policy/types.ts';
import { parseAuthority } from '../target/host.ts';
import { urlTarget } from '../target/http-target.ts';
import { refuse } from '../target/refusal.ts';
import type { Parsed, Target } from '../target/types.ts';

/** What a policy says of a request that somebody wrote down. A refused one is denied without a rule. */
export interface Answer {
  readonly verdict: 'allow' | 'deny';
  readonly rule: { readonly file: string; readonly line: number } | null;
  readonly reason: string;
  /** The smallest change that turns the verdict round; null where no policy could. */
  readonly change: string | null;
}

/**
 * The target of a method and a URL as people write them, and as the audit log has them: `http://` and `https://`, and
 * `tcp://HOST:PORT` or `tls://HOST:PORT` for a connection that is passed (its method says nothing: `CONNECT`, say).
 */
export function askedTarget(method: string, url: string): Parsed<Target> {
  const passed = /^(tcp|tls):\/\/(.*)$/i.exec(url);
  if (passed === null) return urlTarget(method, url);
  const protocol = passed[1]?.toLowerCase() === 'tls' ? 'tls' : 'tcp';
  const place = passed[2] ?? '';
  if (/[/?#]/.test(place)) {
    return refuse(400, `${protocol}:// takes HOST:PORT and no path; only the connection is judged.`);
  }
  const endpoint = parseAuthority(place, protocol === 'tls' ? 443 : null);
  if (!endpoint.ok) return endpoint;
  return { ok: true, value: { kind: 'tunnel', protocol, ...endpoint.value } };
}

/** Judges a written request as enforcing would. Nothing is looked up. */
export function answer(policy: Policy, method: string, url: string): Answer {
  const target = askedTarget(method, url);
  if (!target.ok) {
    const { status, reason } = target.refusal;
    return {
      verdict: 'deny',
      rule: null,
      reason: `${reason} (answered ${status}, whatever the rules)`,
      change: null,
    };
  }
  const explanation: Explanation = explain(policy, target.value);
  const { verdict, rule, reason, change } = explanation;
  return { verdict, rule: rule === null ? null : { file: rule.file, line: rule.line }, reason, change };
}
