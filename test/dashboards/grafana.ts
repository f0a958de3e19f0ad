/**
 * What Grafana does with a dashboard before it asks Prometheus: it walks the panels and fills the variables in. Written
 * after its documentation of template variables and of the Prometheus data source.
 */

/** A chosen value: one, several, or all (then the variable's own `allValue`). */
export type Choice = string | readonly string[] | 'all of them';
export const all = 'all of them';

export interface Time {
  readonly rangeSeconds: number;
  /** `$__interval`: the time between two points of a graph. */
  readonly intervalMs: number;
  /** What the data source is told of the scrape interval. */
  readonly scrapeMs: number;
}

export interface PanelQuery {
  readonly dashboard: string;
  readonly panel: string;
  readonly refId: string;
  readonly expr: string;
  readonly instant: boolean;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly panels?: readonly Panel[];
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly instant?: boolean;
    readonly datasource: { readonly uid: string };
  }[];
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly multi: boolean;
  readonly includeAll: boolean;
  readonly allValue?: string;
  readonly query: string | { readonly query: string };
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: { readonly list?: readonly { readonly name: string; readonly expr: string }[] };
}

/** Every panel, those within rows included. */
export function panelsOf({ panels }: { readonly panels: readonly Panel[] }): readonly Panel[] {
  return panels.flatMap((panel) => [panel, ...panelsOf({ panels: panel.panels ?? [] })]);
}

export function queriesOf(dashboard: Dashboard): readonly PanelQuery[] {
  return panelsOf(dashboard).flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr, instant = false }) => ({
      dashboard: dashboard.title,
      panel: title,
      refId,
      expr,
      instant,
    })),
  );
}

/** Fills in `$name`, `${name}` and Grafana's own variables. Throws for one that the dashboard does not have. */
export function filledIn(
  text: string,
  dashboard: Dashboard,
  choices: Readonly<Record<string, Choice>>,
  time: Time,
): string {
  const { rangeSeconds, intervalMs, scrapeMs } = time;
  const own: Readonly<Record<string, string>> = {
    __interval: `${intervalMs}ms`,
    __interval_ms: String(intervalMs),
    __range: `${rangeSeconds}s`,
    __range_s: String(rangeSeconds),
    __range_ms: String(rangeSeconds * 1000),
    __rate_interval: `${Math.max(intervalMs + scrapeMs, 4 * scrapeMs)}ms`,
  };
  return text.replace(/\$\{(\w+)\}|\$(\w+)/g, (found, braced?: string, bare?: string) => {
    const name = braced ?? bare ?? '';
    const variable = dashboard.templating.list.find((one) => one.name === name);
    const choice = choices[name];
    if (own[name] !== undefined) return own[name];
    if (variable === undefined || choice === undefined) throw new Error(`${found} in ${text} is no variable`);
    return chosen(variable, choice);
  });
}

function chosen(variable: Variable, choice: Choice): string {
  if (choice === all) {
    if (variable.includeAll) return variable.allValue ?? '.*';
    throw new Error(`${variable.name} cannot be all`);
  }
  if (typeof choice !== 'string') {
    if (!variable.multi) throw new Error(`${variable.name} takes one value`);
    return choice.length === 1 ? asPattern(choice[0] ?? '') : `(${choice.map(asPattern).join('|')})`;
  }
  return variable.multi || variable.includeAll ? asPattern(choice) : choice.replace(/["\\]/g, '\\$&');
}

/** Escaped for a regular expression, and once more for the string literal that it stands in. */
function asPattern(text: string): string {
  return text.replace(/[\\^$*+?.()|[\]{}]/g, '\\\\$&');
}
