import type { HttpTarget, Target } from '../target/types.ts';
import { type CompiledRule, HTTP, HTTPS, portMatches, TCP, TLS } from './compiled-rule.ts';
import { domainMatches } from './domain-match.ts';
import { pathMatches, reducePath } from './path-match.ts';
import { isDeniedDownload, isDownloadOf } from './registry.ts';
import { isGitRequest, repoTree } from './repo.ts';

/** The bit of a target in `CompiledRule.asked`. */
export function askedBy(target: Target): number {
  if (target.kind === 'tunnel') return target.protocol === 'tls' ? TLS : TCP;
  return target.scheme === 'https' ? HTTPS : HTTP;
}

/**
 * Every condition of a rule but host, address and path, which an index or the functions below settle.
 * Overrides are not looked at: the caller asks once per method.
 */
export function conditionsHold(compiled: CompiledRule, target: Target): boolean {
  if ((compiled.asked & askedBy(target)) === 0 || !portMatches(compiled.ports, target.port)) return false;
  if (target.kind === 'tunnel') return true;
  if (compiled.methods !== null && !compiled.methods.has(target.method)) return false;
  // Most rules and requests end here.
  if (!compiled.looksAtContent && target.upgrade === null) return true;
  return compiled.rule.effect === 'allow' ? allowsContent(compiled, target) : deniesContent(compiled, target);
}

/** True where the rule asks for no name, or for one that the target has. */
export function hostHolds({ hosts }: CompiledRule, target: Target): boolean {
  if (hosts === null) return true;
  return target.hostKind === 'name' && hosts.some((pattern) => domainMatches(pattern, target.host));
}

/** True where the rule's path conditions hold, compared one by one: an index is faster where rules are many. */
export function pathHolds({ paths, rule }: CompiledRule, target: Target): boolean {
  if (paths === null || target.kind === 'tunnel') return true;
  return rule.effect === 'allow'
    ? paths.some((pattern) => pathMatches(pattern, target.path))
    : paths.some((pattern) => denyPathMatches(pattern, target.path));
}

/** The three comparisons of a deny rule's path: as it is, and reduced both ways. */
export function denyPathMatches(pattern: string, path: string): boolean {
  if (pathMatches(pattern, path)) return true;
  const wanted = reducePath(pattern, true);
  const found = reducePath(path, false);
  return pathMatches(wanted.separated, found.separated) || pathMatches(wanted.ordinary, found.ordinary);
}

/** One target per method that a request claims beside its own. */
export function overridesOf(target: HttpTarget): HttpTarget[] {
  return target.overrides.map((method) => ({ ...target, method, overrides: [] }));
}

function allowsContent({ rule: { spec } }: CompiledRule, target: HttpTarget): boolean {
  const { upgrade } = target;
  if (upgrade !== null && upgrade !== 'websocket') {
    if (upgrade === 'h2c' || !spec.upgrade?.some((name) => name.toLowerCase() === upgrade)) return false;
  }
  if (spec.repos !== undefined) {
    const { access = 'read' } = spec;
    if (upgrade !== null || !spec.repos.some((repo) => isGitRequest(repo, access, target))) return false;
  }
  if (spec.registries === undefined) return true;
  if (upgrade !== null || (target.method !== 'GET' && target.method !== 'HEAD')) return false;
  return isDownloadOf(spec.registries, spec.packages, target.host, target.path);
}

function deniesContent({ rule: { spec } }: CompiledRule, target: HttpTarget): boolean {
  if (spec.repos !== undefined) {
    const held = spec.repos.some(
      (repo) =>
        repo.host === target.host && repoTree(repo).some((pattern) => denyPathMatches(pattern, target.path)),
    );
    if (!held) return false;
  }
  if (spec.registries === undefined) return true;
  const { separated, ordinary } = reducePath(target.path, false);
  return isDeniedDownload(spec.registries, spec.packages, target.host, [target.path, separated, ordinary]);
}
