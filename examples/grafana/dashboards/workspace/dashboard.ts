import {
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { addRows } from '../layout.ts';
import { datasource } from '../panels.ts';
import { workspace as scope, select } from '../queries.ts';
import { datasourceVariable, labelVariable } from '../variables.ts';
import { process } from './process.ts';
import { records } from './records.ts';
import { state } from './state.ts';
import { latency, traffic } from './traffic.ts';
import { verdicts } from './verdicts.ts';

/** Marks points in time that a metric holds, in seconds since 1970. */
function markedTimes(name: string, metric: string, iconColor: string): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name(name)
    .datasource(datasource)
    .enable(true)
    .iconColor(iconColor)
    .expr(`${select(scope, metric)} * 1000`)
    .step('60s')
    .useValueForTime(true)
    .titleFormat(name);
}

/** One workspace in depth: for whoever answers "why does this fail" and "what has this agent done". */
export function workspaceDashboard(): DashboardBuilder {
  const dashboard = new DashboardBuilder('boundary: workspace')
    .uid('boundary-workspace')
    .description(
      'The boundary of one workspace: state, verdicts by rule, latency, traffic, records, process.',
    )
    .tags(['boundary'])
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(datasourceVariable())
    .withVariable(labelVariable('owner', 'Owner', { many: false }))
    .withVariable(labelVariable('workspace', 'Workspace', { many: false, within: 'owner="$owner"' }))
    .annotation(markedTimes('Policy loaded', 'boundary_policy_loaded_timestamp_seconds', 'blue'))
    .annotation(markedTimes('Sidecar started', 'process_start_time_seconds', 'orange'))
    .link(
      new DashboardLinkBuilder('All workspaces')
        .type(DashboardLinkType.Link)
        .icon('dashboard')
        .url(`/d/boundary-fleet?var-datasource=\${datasource}&\${__url_time_range}`)
        .tooltip('The dashboard of all workspaces'),
    );
  addRows(dashboard, [state, verdicts, latency, traffic, records, process]);
  return dashboard;
}
