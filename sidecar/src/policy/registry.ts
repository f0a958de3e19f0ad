import { pathMatches } from './path-match.ts';
import { packageOf } from './registry-urls.ts';

/** Where a package registry serves its downloads. docs/registries.md has the source of each host. */
interface Registry {
  readonly hosts: readonly string[];
  /** How package names are compared, for registries whose URLs name the package; else absent. */
  readonly canonical?: (name: string) => string;
}

const REGISTRIES: ReadonlyMap<string, Registry> = new Map<string, Registry>([
  ['npm', { hosts: ['registry.npmjs.org'], canonical: (name) => name }],
  // PEP 503: runs of -, _ and . are one -, letters in lower case.
  [
    'pypi',
    {
      hosts: ['pypi.org', 'files.pythonhosted.org'],
      canonical: (name) => name.replaceAll(/[-_.]+/g, '-').toLowerCase(),
    },
  ],
  // crates.io takes two names that differ in case or in - and _ for the same.
  [
    'crates',
    {
      hosts: ['index.crates.io', 'static.crates.io', 'crates.io'],
      canonical: (name) => name.toLowerCase().replaceAll('_', '-'),
    },
  ],
  ['go', { hosts: ['proxy.golang.org', 'sum.golang.org'], canonical: (name) => name }],
  ['debian', { hosts: ['deb.debian.org', 'security.debian.org'] }],
  ['ubuntu', { hosts: ['archive.ubuntu.com', 'security.ubuntu.com', 'ports.ubuntu.com'] }],
  [
    'dockerhub',
    {
      hosts: [
        'registry-1.docker.io',
        'auth.docker.io',
        'production.cloudflare.docker.com',
        'production.cloudfront.docker.com',
        'docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com',
      ],
    },
  ],
  ['ghcr', { hosts: ['ghcr.io', 'pkg-containers.githubusercontent.com'] }],
]);

/** The names that `registry:` knows. */
export const registryNames: readonly string[] = [...REGISTRIES.keys()];

/** True where the registry's URLs name the package, so that `packages` can narrow it. */
export function canNarrow(registry: string): boolean {
  return REGISTRIES.get(registry)?.canonical !== undefined;
}

/** The hosts of a registry; none for a name that is not in {@link registryNames}. */
export function registryHosts(registry: string): readonly string[] {
  return REGISTRIES.get(registry)?.hosts ?? [];
}

/**
 * True where a request's host and path belong to one of the registries and, with `packages`, are about one of these
 * packages or about no package at all (signing keys, an index's own settings). A `*` in a package is one whole part
 * between slashes, at the end one or more.
 */
export function isDownloadOf(
  registries: readonly string[],
  packages: readonly string[] | undefined,
  host: string,
  path: string,
): boolean {
  return registries.some((name) => {
    const registry = REGISTRIES.get(name);
    if (registry === undefined || !registry.hosts.includes(host)) return false;
    if (packages === undefined) return true;
    const { canonical } = registry;
    if (canonical === undefined) return false;
    const asked = packageOf(name, host, path);
    if (asked === 'shared') return true;
    return asked !== null && packages.some((item) => names(canonical(item), canonical(asked)));
  });
}

/** The same for a deny rule, which errs towards matching: letter case is ignored, and what all share is no match. */
export function isDeniedDownload(
  registries: readonly string[],
  packages: readonly string[] | undefined,
  host: string,
  paths: readonly string[],
): boolean {
  return registries.some((name) => {
    const registry = REGISTRIES.get(name);
    if (registry === undefined || !registry.hosts.includes(host)) return false;
    if (packages === undefined) return true;
    const { canonical } = registry;
    if (canonical === undefined) return true;
    return paths.some((path) => {
      const asked = packageOf(name, host, path);
      if (asked === null || asked === 'shared') return false;
      const found = canonical(asked).toLowerCase();
      return packages.some((item) => names(canonical(item).toLowerCase(), found));
    });
  });
}

function names(pattern: string, name: string): boolean {
  return pathMatches(`/${pattern}`, `/${name}`);
}
