import type { RecentDecisions } from '../../audit/recent-decisions.ts';
import { printable } from '../../audit/text.ts';
import { type DoctorCheck, doctorChecks } from '../../metrics/doctor-metrics.ts';
import type { Policy } from '../../policy/types.ts';
import { type CountersView, countersView } from './decision-view.ts';
import { type DoctorFindings, findingTexts } from './doctor-report.ts';

/** How the boundary stands, as whoever runs it knows it. */
export interface ViewState {
  readonly workspace: string | null;
  readonly owner: string | null;
  readonly version: string;
  readonly readiness: { readonly ready: boolean; readonly reasons: readonly string[] };
  /** milliseconds since 1970 */
  readonly startedAt: number;
  /** Milliseconds since 1970: when the policy in force was taken up. */
  readonly policySince: number;
  /** `container`, `pod`, `namespace`, ... */
  readonly isolation: string;
  /** Null where there is no gate: an explicit proxy. */
  readonly gateConnected: boolean | null;
  readonly audit: { readonly healthy: boolean; readonly droppedLines: number };
  /** The access URL of the deployment, which always passes; null where there is none. */
  readonly deployment: string | null;
}

/** What a workspace said of itself, and when. */
export interface DoctorReport {
  /** milliseconds since 1970 */
  readonly time: number;
  readonly findings: DoctorFindings;
}

/** The state as the API tells it. Every text is printable. */
export interface StateView {
  readonly status: 'enforcing' | 'audit' | 'not-ready';
  readonly reasons: readonly string[];
  readonly run: string;
  readonly workspace: string | null;
  readonly owner: string | null;
  readonly version: string;
  /** RFC 3339, as every time here */
  readonly started_at: string;
  readonly isolation: string;
  readonly gate_connected: boolean | null;
  readonly audit: { readonly healthy: boolean; readonly dropped_lines: number };
  readonly deployment: string | null;
  readonly policy: {
    /** sha256 of its sources, hex */
    readonly hash: string;
    readonly mode: 'enforce' | 'audit';
    readonly inspect: 'always' | 'auto' | 'never';
    readonly on_audit_failure: 'continue' | 'deny';
    readonly rules: number;
    readonly since: string;
  };
  readonly counters: CountersView;
  readonly doctor: null | {
    readonly received_at: string;
    readonly checks: readonly {
      readonly check: DoctorCheck;
      /** true: missing or open; null: not looked at */
      readonly found: boolean | null;
      readonly meaning: string;
    }[];
  };
}

export function stateView(
  state: ViewState,
  policy: Policy,
  recent: RecentDecisions,
  doctor: DoctorReport | null,
): StateView {
  const { readiness, audit } = state;
  return {
    status: !readiness.ready ? 'not-ready' : policy.mode === 'audit' ? 'audit' : 'enforcing',
    reasons: readiness.reasons.map(printable),
    run: recent.run,
    workspace: shown(state.workspace),
    owner: shown(state.owner),
    version: state.version,
    started_at: timeText(state.startedAt),
    isolation: state.isolation,
    gate_connected: state.gateConnected,
    audit: { healthy: audit.healthy, dropped_lines: audit.droppedLines },
    deployment: shown(state.deployment),
    policy: {
      hash: policy.hash,
      mode: policy.mode,
      inspect: policy.inspect,
      on_audit_failure: policy.onAuditFailure,
      rules: policy.rules.length,
      since: timeText(state.policySince),
    },
    counters: countersView(recent.counters),
    doctor:
      doctor === null
        ? null
        : {
            received_at: timeText(doctor.time),
            checks: doctorChecks.map((check) => ({
              check,
              found: doctor.findings[check] ?? null,
              meaning: findingTexts[check],
            })),
          },
  };
}

function timeText(time: number): string {
  return new Date(time).toISOString();
}

function shown(text: string | null): string | null {
  return text === null ? null : printable(text);
}
