import { didYouMean, type Faults, type Place } from './faults.ts';
import { canNarrow, registryNames } from './registry.ts';
import { looksAtRequests } from './rule-request.ts';
import type { RuleSpec } from './types.ts';

/** Which key of the file fills a part of the specification. */
const KEY_OF: Readonly<Record<keyof RuleSpec, string>> = {
  domains: 'domain',
  cidrs: 'cidr',
  ports: 'port',
  protocol: 'protocol',
  methods: 'methods',
  paths: 'path',
  repos: 'repo',
  access: 'access',
  registries: 'registry',
  packages: 'packages',
  presets: 'preset',
  private: 'private',
  inspect: 'inspect',
  upgrade: 'upgrade',
  limits: 'limits',
  inject: 'inject',
  reason: 'reason',
};
const PARTS = Object.keys(KEY_OF) as readonly (keyof RuleSpec)[];
const CONDITIONS = [
  'domains',
  'cidrs',
  'ports',
  'protocol',
  'methods',
  'paths',
  'repos',
  'registries',
  'presets',
] as const;
const ALLOW_ONLY = ['access', 'private', 'upgrade', 'limits', 'inject'] as const;

export interface RuleContext {
  readonly effect: 'allow' | 'deny';
  /** Where the rule stands. */
  readonly at: Place;
  /** Where a key of it stands (its name in the file); the rule's place for what a string does not spell out. */
  readonly placeOf: (key: string) => Place;
  /** True where a corporate proxy resolves names, so that no rule can ask for the address of one. */
  readonly upstreamProxy: boolean;
}

/** Notes what is wrong with one rule as a whole: keys that need or exclude each other. */
export function checkRule(spec: RuleSpec, context: RuleContext, faults: Faults): void {
  const { effect, at, placeOf } = context;
  const has = (part: keyof RuleSpec) => spec[part] !== undefined;
  const fault = (part: keyof RuleSpec, message: string) => faults.add(placeOf(KEY_OF[part]), message);
  if (has('presets')) {
    for (const part of PARTS) {
      if (has(part) && !['presets', 'inspect', 'reason'].includes(part)) {
        fault(
          part,
          `"${KEY_OF[part]}" cannot stand beside "preset". Only inspect and reason can; write another rule for the rest.`,
        );
      }
    }
    return;
  }
  const named = has('domains') || has('repos') || has('registries');
  if (effect === 'allow' && !named && !has('cidrs')) {
    faults.add(
      at,
      'this allow rule names nobody. Add domain, cidr, repo, registry or preset; domain "*" is every name.',
    );
  }
  if (effect === 'deny') {
    for (const part of ALLOW_ONLY) {
      if (has(part)) fault(part, `"${KEY_OF[part]}" has a meaning in allow rules only. Remove it here.`);
    }
    if (!CONDITIONS.some(has))
      faults.add(at, 'this deny rule has no condition. Add a key such as domain, methods or cidr.');
  }
  if (has('private') && !named)
    fault(
      'private',
      '"private" needs domain, repo or registry beside it. Addresses are opened by their cidr alone.',
    );
  if (has('access') && !has('repos')) fault('access', '"access" needs "repo" beside it.');
  if (has('repos') && has('registries'))
    fault('registries', '"registry" and "repo" in one rule match nothing together. Write two rules.');
  checkRegistry(spec, fault);
  checkProtocol(spec, fault);
  checkInjection(spec, fault);
  if (context.upstreamProxy && named) {
    const why = 'the upstream proxy resolves names, so their addresses cannot be judged here';
    if (has('cidrs')) fault('cidrs', `${why}. Remove "cidr" beside a name, or run without --upstream-proxy.`);
    if (spec.private === true) fault('private', `${why}. Remove "private", or run without --upstream-proxy.`);
  }
}

type Fault = (part: keyof RuleSpec, message: string) => void;

function checkRegistry({ registries, packages }: RuleSpec, fault: Fault): void {
  for (const name of registries ?? []) {
    if (!registryNames.includes(name)) {
      fault(
        'registries',
        `the registry "${name}" is unknown.${didYouMean(name, registryNames)} Known: ${registryNames.join(', ')}.`,
      );
    } else if (packages !== undefined && !canNarrow(name)) {
      const able = registryNames.filter(canNarrow).join(', ');
      fault(
        'packages',
        `the URLs of ${name} do not name packages, so "packages" cannot narrow it (${able} can). Remove it.`,
      );
    }
  }
  if (packages !== undefined && registries === undefined)
    fault('packages', '"packages" needs "registry" beside it.');
}

function checkProtocol(spec: RuleSpec, fault: Fault): void {
  const { protocol, ports, repos, registries, inject } = spec;
  if (protocol === 'tcp') {
    if (ports === undefined)
      fault('protocol', '"protocol: tcp" needs a port beside it, such as "port: 5432".');
    if (looksAtRequests(spec)) {
      fault(
        'protocol',
        '"protocol: tcp" passes bytes unread, so methods, path, repo, registry, upgrade, limits and inject cannot be judged. Remove those or the protocol.',
      );
    } else if (spec.inspect === 'always')
      fault('inspect', '"protocol: tcp" passes bytes unread, so "inspect: always" cannot hold. Remove one.');
  }
  const overTls =
    repos !== undefined
      ? 'repo'
      : registries !== undefined
        ? 'registry'
        : inject !== undefined
          ? 'inject'
          : null;
  if (protocol === 'http' && overTls !== null) {
    fault('protocol', `"${overTls}" is about https only. Remove "protocol: http".`);
  }
}

function checkInjection({ inject, domains }: RuleSpec, fault: Fault): void {
  if (inject === undefined) return;
  const [host] = domains ?? [];
  if (domains?.length !== 1 || host === undefined || host.includes('*')) {
    fault('inject', '"inject" sends a secret, so it needs exactly one host without "*" as its domain.');
  }
}
