/**
 * The package that a registry URL is about. `shared`: no package of its own, but needed for any (settings, keys,
 * checksums). Null: cannot be told, as for searches and lists of everything.
 */
export function packageOf(registry: string, host: string, path: string): string | 'shared' | null {
  const text = decode(path);
  if (registry === 'npm') return npm(text);
  if (registry === 'pypi') return host === 'pypi.org' ? pypiIndex(text) : pypiFile(text);
  if (registry === 'crates') return crates(host, text);
  if (registry === 'go') return go(host, text);
  return null;
}

/** `/NAME`, `/NAME/VERSION`, `/NAME/-/FILE.tgz`, each also with `@SCOPE/` or `@SCOPE%2F` before NAME. */
function npm(path: string): string | 'shared' | null {
  if (path === '/-/npm/v1/keys' || path === '/-/ping') return 'shared';
  const match = /^\/((?:@[^/@]+\/)?[^/@-][^/@]*)(?:\/[^/]+|\/-\/[^/]+\.tgz)?\/?$/.exec(path);
  return match?.[1] ?? null;
}

/** PEP 503 and PEP 691 pages, and the JSON of one project. */
function pypiIndex(path: string): string | null {
  return (
    /^\/(?:simple\/([^/]+)|pypi\/([^/]+)(?:\/[^/]+)?\/json)\/?$/.exec(path)?.slice(1).find(Boolean) ?? null
  );
}

/**
 * Files are found by hash; the project is in the file name. A wheel's ends at the first hyphen (PEP 427); that of a
 * source archive at the last hyphen before a digit, which tells `foo-2-1.0.tar.gz` (project foo-2) from `foo`.
 */
function pypiFile(path: string): string | null {
  const file = /^\/packages\/(?:[^/]+\/)+([^/]+)$/
    .exec(path)?.[1]
    ?.replace(/\.(?:metadata|asc|provenance)$/, '');
  if (file === undefined) return null;
  if (/\.(?:whl|egg)$/.test(file)) return /^([^-]+)-/.exec(file)?.[1] ?? null;
  return /^(.+)-\d[^-]*\.(?:tar\.gz|tgz|tar\.bz2|zip)$/.exec(file)?.[1] ?? null;
}

/** The sparse index (`/1/a`, `/2/ab`, `/3/a/abc`, `/ab/cd/abcd`), the archives, and the API's redirect to them. */
function crates(host: string, path: string): string | 'shared' | null {
  if (host === 'index.crates.io') {
    if (path === '/config.json') return 'shared';
    const name = /^\/(?:1|2|3\/[^/]|[^/]{2}\/[^/]{2})\/([^/]+)$/.exec(path)?.[1];
    return name !== undefined && path.toLowerCase() === `/${cratePrefix(name)}/${name}`.toLowerCase()
      ? name
      : null;
  }
  if (host === 'static.crates.io') {
    return /^\/crates\/([^/]+)\/(?:[^/]+\.crate|[^/]+\/download)$/.exec(path)?.[1] ?? null;
  }
  return /^\/api\/v1\/crates\/([^/]+)\/[^/]+\/download$/.exec(path)?.[1] ?? null;
}

function cratePrefix(name: string): string {
  if (name.length <= 2) return String(name.length);
  return name.length === 3 ? `3/${name[0]}` : `${name.slice(0, 2)}/${name.slice(2, 4)}`;
}

/** The module proxy protocol; an upper-case letter is written as `!` and the lower-case one. */
function go(host: string, path: string): string | 'shared' | null {
  const database = host === 'sum.golang.org' ? path : /^\/sumdb\/sum\.golang\.org(\/.*)$/.exec(path)?.[1];
  if (database !== undefined) {
    if (/^\/(?:supported|latest|tile\/.+)$/.test(database)) return 'shared';
    return unescapeModule(/^\/lookup\/(.+)@[^/@]+$/.exec(database)?.[1]);
  }
  return unescapeModule(/^\/(.+?)\/(?:@v\/(?:list|[^/]+\.(?:info|mod|zip))|@latest)$/.exec(path)?.[1]);
}

function unescapeModule(escaped: string | undefined): string | null {
  if (escaped === undefined || /^sumdb\//.test(escaped)) return null;
  return escaped.replaceAll(/!([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Escapes that clients use in names: `%40`, `%2F`, `%2B`, `%21`. Others stay, and match no name. */
function decode(path: string): string {
  return path.replaceAll('%40', '@').replaceAll(/%2F/gi, '/').replaceAll(/%2B/gi, '+').replaceAll('%21', '!');
}
