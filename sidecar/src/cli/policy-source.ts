import { readFileSync } from 'node:fs';
import { loadPolicy } from '../policy/load.ts';
import type { LoadResult, Policy, PolicyFault, PolicySource } from '../policy/types.ts';
import { readFault } from './command-error.ts';
import { configPath, defaultConfigPaths } from './config-path.ts';
import { type PolicyOptions, rulesOfEnvironment } from './policy-options.ts';
import { writeError } from './terminal.ts';

/** Where a policy is to come from. */
export interface PolicyRequest {
  readonly options: PolicyOptions;
  readonly env: NodeJS.ProcessEnv;
  /** Whether a corporate proxy resolves the names. */
  readonly upstreamProxy?: boolean;
}

/** The file a policy was read from (null where there is none), the text it held, and what came of it. */
export interface PolicyReading {
  readonly path: string | null;
  readonly text: string | null;
  readonly result: LoadResult;
}

/**
 * Reads and compiles the policy that flags, environment and files make together. Never throws for what it finds.
 * A file may name a corporate proxy itself (`upstream_proxy`): then it is checked for use with one.
 */
export function readPolicy(request: PolicyRequest): PolicyReading {
  const reading = readOnce(request);
  const { result } = reading;
  if (request.upstreamProxy || !result.ok || result.settings.upstreamProxy === undefined) return reading;
  return readOnce({ ...request, upstreamProxy: true });
}

/** `1 rule`, `12 rules`. */
export function ruleCount({ rules }: Policy): string {
  return `${rules.length} ${rules.length === 1 ? 'rule' : 'rules'}`;
}

function readOnce(request: PolicyRequest): PolicyReading {
  const path = configPath(request.options.config, request.env);
  if (path === null) return { path, text: null, result: compileSources([], request) };
  const source = readSource(path);
  if ('message' in source) return { path, text: null, result: { ok: false, faults: [source] } };
  return { path, text: source.text, result: compileSources([source], request) };
}

/** Said once of a policy without rules: everything is denied, which looks like a fault of the network. */
export function nothingAllowedWarning(path: string | null, env: NodeJS.ProcessEnv): string {
  if (path !== null)
    return `${path} has no rules: everything is denied; add some to it, such as "allow: [github.com]", or with --allow "domain=github.com"`;
  return `no policy: everything is denied; write one to ${defaultConfigPaths(env)[0]}, name one with --config, or add rules with --allow "domain=github.com"`;
}

/** Writes faults or warnings to standard error, one `FILE:LINE:COLUMN: message` each. */
export function tellFaults(faults: readonly PolicyFault[], prefix = ''): void {
  for (const fault of faults) writeError(`${positionOf(fault)}: ${prefix}${fault.message}`);
}

export function positionOf(fault: PolicyFault): string {
  return `${fault.file}:${fault.line}:${fault.column}`;
}

function compileSources(sources: readonly PolicySource[], request: PolicyRequest): LoadResult {
  const { options, env } = request;
  return loadPolicy({
    sources,
    allow: [...rulesOfEnvironment(env.BOUNDARY_ALLOW), ...(options.allow ?? [])],
    deny: [...rulesOfEnvironment(env.BOUNDARY_DENY), ...(options.deny ?? [])],
    ...(options.mode === undefined ? {} : { overrides: { mode: options.mode } }),
    env,
    upstreamProxy: request.upstreamProxy ?? false,
  });
}

/** The text of a file, or a fault at its beginning where it cannot be read. Bytes that are not UTF-8 are for the loader. */
function readSource(path: string): PolicySource | PolicyFault {
  try {
    return { file: path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    return { file: path, line: 1, column: 1, message: readFault(error) };
  }
}
