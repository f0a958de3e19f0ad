import { readFileSync } from 'node:fs';

/** The version of the policy language that this program reads. */
const policyLanguageVersion = 1;

/** boundary's own version, as its package.json says it. */
export function boundaryVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) {
    return String(manifest.version);
  }
  throw new Error("boundary's package.json has no version; install it again");
}

/** What `--version` prints. */
export function versionText(): string {
  return `boundary ${boundaryVersion()} (Node ${process.versions.node}, policy language ${policyLanguageVersion})`;
}
