/** Where a dashboard looks: the label matchers that its variables fill in. */
export interface Scope {
  /** Label matchers, without braces. */
  readonly matchers: string;
}

/** Any number of workspaces; "All" is `.*`, which also finds series without these labels. */
export const fleet: Scope = { matchers: 'owner=~"$owner", workspace=~"$workspace"' };

/** One workspace. Where nothing has these labels both variables are empty, and an empty label is one that is not there. */
export const workspace: Scope = { matchers: 'owner="$owner", workspace="$workspace"' };

/** What process metrics and `up` are told apart by: other jobs have them too. */
const job = 'job="boundary"';

/**
 * A selector within a scope.
 * @param more further matchers; for metrics that are not boundary's own the job is added
 */
export function select(scope: Scope, metric: string, more = ''): string {
  const own = metric.startsWith('boundary_');
  return `${metric}{${[own ? '' : job, scope.matchers, more].filter((part) => part !== '').join(', ')}}`;
}

/** Events a second. */
export function rate(scope: Scope, metric: string, more = ''): string {
  return `rate(${select(scope, metric, more)}[$__rate_interval])`;
}

/** Events within the dashboard's time range, for counters that begin at 0. */
export function within(scope: Scope, metric: string, more = ''): string {
  return `increase(${select(scope, metric, more)}[$__range])`;
}

/**
 * Decisions within the dashboard's time range. A series of this counter begins with its first verdict, which increase()
 * cannot see: what was born within the range counts whole, the rest by what it grew.
 */
export function decisionsWithin(scope: Scope, more: string): string {
  const series = select(scope, 'boundary_decisions_total', more);
  const born = `(max_over_time(${series}[$__range]) unless ${series} offset $__range)`;
  return `(${born} or increase(${series}[$__range]))`;
}

/** The value below which a share of a histogram's observations lies. @param by labels to keep, comma-separated */
export function quantile(scope: Scope, share: number, histogram: string, by = ''): string {
  const labels = by === '' ? 'le' : `${by}, le`;
  return `histogram_quantile(${share}, sum by (${labels}) (${rate(scope, `${histogram}_bucket`)}))`;
}

/** How many there are. A count of nothing is no result, which here means 0: nothing is wrong. */
export function howMany(condition: string): string {
  return `count(${condition}) or vector(0)`;
}
