import {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { datasource } from './panels.ts';

/** The Prometheus to ask. */
export function datasourceVariable(): DatasourceVariableBuilder {
  return new DatasourceVariableBuilder('datasource').label('Prometheus').type('prometheus');
}

/**
 * The values of a label of the sidecars.
 * @param within label matchers that narrow it, with variables before it in the list
 * @param many several values and all of them; else one
 */
export function labelVariable(
  name: string,
  label: string,
  options: { readonly within?: string; readonly many: boolean },
): QueryVariableBuilder {
  const { within = '', many } = options;
  const query = `label_values(boundary_build_info${within === '' ? '' : `{${within}}`}, ${name})`;
  const variable = new QueryVariableBuilder(name)
    .label(label)
    .datasource(datasource)
    .query({ query, refId: name })
    .definition(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(many)
    .includeAll(many);
  if (many) variable.allValue('.*').current({ text: 'All', value: '$__all' });
  return variable;
}
