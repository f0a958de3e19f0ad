import type { Policy } from '../policy/types.ts';
import type { LogLevel } from './runtime-options.ts';

/**
 * With `on_failure: deny` nothing is allowed without a record, and a standard error that leaves lines out is none.
 * Asked where the audit log goes to standard error alone. Why the policy is of no use then, or null.
 */
export function unrecordedMessage(policy: Policy, logLevel: LogLevel): string | null {
  if (policy.onAuditFailure === 'continue' || logLevel === 'info' || logLevel === 'debug') return null;
  return `the policy says \`audit: { on_failure: deny }\`, and at --log-level ${logLevel} standard error does not record every request, so that all would be denied; write the audit log to a file, or use --log-level info`;
}
