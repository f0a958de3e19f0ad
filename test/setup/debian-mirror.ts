import { execFileSync, type StdioOptions } from 'node:child_process';

/** Where this machine's apt gets Debian's packages. */
export interface DebianMirror {
  /** Its address, up to /debian; null where apt names none: programs then take Debian's usual one. */
  readonly url: string | null;
  /** apt's proxy as the variables that other programs read; empty without one. */
  readonly proxy: Readonly<Record<string, string>>;
}

/**
 * Debian's mirror and the proxy to it as apt is set up here, so that an image is made from where the machine itself
 * is installed from.
 */
export function debianMirror(): DebianMirror {
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] satisfies StdioOptions } as const;
  const format = ['indextargets', '--format', '$(ORIGIN) $(REPO_URI)', 'Created-By: Packages'];
  const repositories = execFileSync('apt-get', format, options).split('\n');
  const [, own] =
    repositories.map((line) => /^Debian (https?:\S+\/debian)\/?$/.exec(line)).find(Boolean) ?? [];

  const proxy: Record<string, string> = {};
  for (const scheme of ['http', 'https']) {
    const settings = execFileSync('apt-config', ['dump', `Acquire::${scheme}::Proxy`], options);
    const [, url] = /^\S+::Proxy "(https?:[^"]+)";$/m.exec(settings) ?? [];
    if (url !== undefined) proxy[`${scheme}_proxy`] = url;
  }
  return { url: own ?? null, proxy };
}
