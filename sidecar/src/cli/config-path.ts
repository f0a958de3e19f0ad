import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The places that are looked at when neither `--config` nor BOUNDARY_CONFIG names a file, in this order. */
export function defaultConfigPaths(env: NodeJS.ProcessEnv): readonly string[] {
  const home = env.HOME || homedir();
  return [
    join(home, '.config', 'boundary', 'boundary.yaml'),
    join(home, '.config', 'coder_boundary', 'config.yaml'),
  ];
}

/**
 * Which file the policy is read from: the flag, else BOUNDARY_CONFIG, else the first default that exists, else null (a
 * policy that denies everything). A file of the current directory is never picked up: the agent could write it.
 * A file that was named is returned whether it exists or not, so that a typo is a fault and not another policy.
 */
export function configPath(
  flag: string | undefined,
  env: NodeJS.ProcessEnv,
  exists: (path: string) => boolean = existsSync,
): string | null {
  return flag || env.BOUNDARY_CONFIG || defaultConfigPaths(env).find(exists) || null;
}
