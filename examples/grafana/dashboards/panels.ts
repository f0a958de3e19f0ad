import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  SortOrder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  type DynamicConfigValue,
  FieldColorBuilder,
  FieldColorModeId,
  type GridPos,
  type Panel,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as statetimeline from '@grafana/grafana-foundation-sdk/statetimeline';
import * as table from '@grafana/grafana-foundation-sdk/table';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';

/** What every kind of panel here can do. */
export interface PanelOf extends Builder<Panel> {
  id(id: number): this;
  gridPos(position: GridPos): this;
}

/** The data source that the dashboard's variable names. */
export const datasource = { type: 'prometheus', uid: `\${datasource}` };

export interface Query {
  readonly expr: string;
  /** The name of the series; `{{label}}` is filled in. */
  readonly legend?: string;
}

export interface About {
  readonly title: string;
  /** What it shows, and what a reader would do about it. */
  readonly description: string;
  /** A Grafana unit. */
  readonly unit: string;
  readonly queries: readonly Query[];
}

/** Steps of colour; the first holds from below. */
export type Steps = readonly [string, ...(readonly [number, string])[]];

/** Wrong from the first one on. */
export const wrongFromOne: Steps = ['green', [1, 'red']];
export const noteFromOne: Steps = ['green', [1, 'orange']];
export const rightAtOne: Steps = ['red', [1, 'green']];
export const neutral: Steps = ['blue'];

function thresholds([base, ...steps]: Steps): ThresholdsConfigBuilder {
  const all: Threshold[] = [
    { value: null, color: base },
    ...steps.map(([value, color]) => ({ value, color })),
  ];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(all);
}

function targets(queries: readonly Query[], kind: 'range' | 'instant' | 'table'): Builder<Dataquery>[] {
  return queries.map(({ expr, legend = '' }, index) => {
    const query = new DataqueryBuilder()
      .datasource(datasource)
      .refId(String.fromCharCode(65 + index))
      .expr(expr)
      .legendFormat(legend);
    if (kind === 'range') return query.range();
    return kind === 'table' ? query.instant().format(PromQueryFormat.Table) : query.instant();
  });
}

function fixed(fixedColor: string): DynamicConfigValue[] {
  return [{ id: 'color', value: { mode: FieldColorModeId.Fixed, fixedColor } }];
}

export interface LinesOptions extends About {
  /** Colours by the name of the series. */
  readonly colours?: Readonly<Record<string, string>>;
  readonly max?: number;
  readonly stacked?: boolean;
  /** Lines across the panel. */
  readonly limits?: Steps;
  /** A link from each series. */
  readonly link?: { readonly title: string; readonly url: string };
}

/** Values over time. */
export function lines(options: LinesOptions): PanelOf {
  const panel = new timeseries.PanelBuilder()
    .title(options.title)
    .description(options.description)
    .datasource(datasource)
    .unit(options.unit)
    .min(0)
    .lineWidth(1)
    .fillOpacity(options.stacked ? 30 : 8)
    .showPoints(VisibilityMode.Auto)
    .legend(
      new common.VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Bottom)
        .calcs(['mean', 'max', 'lastNotNull']),
    )
    .tooltip(new common.VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .targets(targets(options.queries, 'range'));
  if (options.stacked) panel.stacking(new common.StackingConfigBuilder().mode(StackingMode.Normal));
  if (options.max !== undefined) panel.max(options.max);
  if (options.limits !== undefined) {
    panel.thresholds(thresholds(options.limits));
    panel.thresholdsStyle(
      new common.GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed),
    );
  }
  if (options.link !== undefined) {
    panel.dataLinks([new DashboardLinkBuilder(options.link.title).url(options.link.url)]);
  }
  for (const [name, colour] of Object.entries(options.colours ?? {}))
    panel.overrideByName(name, fixed(colour));
  return panel;
}

export interface NumberOptions extends About {
  readonly steps: Steps;
  readonly decimals?: number;
  readonly mappings?: ValueMapping[];
  /** Shown where there is no result. */
  readonly none?: string;
  /** Shows the name of the series in place of its value, in these colours where it is one of them. */
  readonly names?: Readonly<Record<string, string>>;
}

/** One value, as of now or over the whole time range. */
export function number(options: NumberOptions): PanelOf {
  const panel = new stat.PanelBuilder()
    .title(options.title)
    .description(options.description)
    .datasource(datasource)
    .unit(options.unit)
    .thresholds(thresholds(options.steps))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.None)
    .textMode(options.names === undefined ? BigValueTextMode.Auto : BigValueTextMode.Name)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .targets(targets(options.queries, 'instant'));
  if (options.decimals !== undefined) panel.decimals(options.decimals);
  if (options.mappings !== undefined) panel.mappings(options.mappings);
  if (options.none !== undefined) panel.noValue(options.none);
  for (const [name, colour] of Object.entries(options.names ?? {})) panel.overrideByName(name, fixed(colour));
  return panel;
}

export interface Column {
  /** The field as the query names it: a label, `Value`, or `Value #A` where there are several queries. */
  readonly field: string;
  readonly title: string;
  readonly unit?: string;
  readonly mappings?: ValueMapping[];
  readonly steps?: Steps;
  readonly link?: { readonly title: string; readonly url: string };
  readonly width?: number;
}

export interface RowsOptions extends About {
  readonly columns: readonly Column[];
  /** The title of the column to sort by, largest first. */
  readonly sortBy: string;
  readonly descending?: boolean;
}

/** One row for each combination of labels; rows of several queries that agree in all shared labels become one. */
export function rows(options: RowsOptions): PanelOf {
  const order = Object.fromEntries(options.columns.map(({ field }, index) => [field, index]));
  const names = Object.fromEntries(options.columns.map(({ field, title }) => [field, title]));
  const panel = new table.PanelBuilder()
    .title(options.title)
    .description(options.description)
    .datasource(datasource)
    .unit(options.unit)
    .targets(targets(options.queries, 'table'))
    .sortBy([
      new common.TableSortByFieldStateBuilder().displayName(options.sortBy).desc(options.descending ?? true),
    ])
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({
      id: 'filterFieldsByName',
      options: { include: { names: options.columns.map(({ field }) => field) } },
    })
    .withTransformation({
      id: 'organize',
      options: { excludeByName: {}, indexByName: order, renameByName: names },
    });
  for (const column of options.columns) {
    const properties: { id: string; value: unknown }[] = [];
    if (column.unit !== undefined) properties.push({ id: 'unit', value: column.unit });
    if (column.width !== undefined) properties.push({ id: 'custom.width', value: column.width });
    if (column.mappings !== undefined) properties.push({ id: 'mappings', value: column.mappings });
    if (column.steps !== undefined) {
      properties.push(
        { id: 'thresholds', value: thresholds(column.steps).build() },
        { id: 'color', value: { mode: FieldColorModeId.Thresholds } },
        { id: 'custom.cellOptions', value: { type: common.TableCellDisplayMode.ColorText } },
      );
    }
    if (column.link !== undefined) properties.push({ id: 'links', value: [column.link] });
    if (properties.length > 0) panel.overrideByName(column.title, properties);
  }
  return panel;
}

/** What state something was in, over time. */
export function states(
  options: About & { readonly mappings: ValueMapping[]; readonly steps: Steps },
): PanelOf {
  return new statetimeline.PanelBuilder()
    .title(options.title)
    .description(options.description)
    .datasource(datasource)
    .unit(options.unit)
    .mappings(options.mappings)
    .thresholds(thresholds(options.steps))
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .mergeValues(true)
    .showValue(VisibilityMode.Auto)
    .legend(new common.VizLegendOptionsBuilder().showLegend(false))
    .targets(targets(options.queries, 'range'));
}
