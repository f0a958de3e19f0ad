import { execFile } from 'node:child_process';
import { dockerConfiguration, type ReadText } from './engine-address.ts';
import { objectOf, textIn } from './json-fields.ts';

/** What the engine sends to a registry (its API: X-Registry-Auth). */
export type RegistryLogin =
  | { readonly username: string; readonly password: string; readonly serveraddress: string }
  | { readonly identitytoken: string; readonly serveraddress: string };

/** How Docker's configuration calls Docker Hub. */
const DOCKER_HUB = 'https://index.docker.io/v1/';

/** How long a credential helper may take, in milliseconds: some ask a cloud. */
const HELPER_TIMEOUT_MS = 30_000;

/**
 * The login for an image's registry that `docker login` left: in Docker's configuration or with a credential helper.
 * Undefined where there is none, or where the helper has none: then the image is asked for without.
 */
export async function registryLogin(
  image: string,
  env: NodeJS.ProcessEnv,
  readText?: ReadText,
): Promise<RegistryLogin | undefined> {
  const configuration = dockerConfiguration(env, readText);
  const registry = registryOf(image);
  const helper = textIn(objectOf(configuration.credHelpers), registry) ?? textIn(configuration, 'credsStore');
  if (helper !== undefined) {
    const found = await askHelper(helper, registry, env);
    if (found !== undefined) return found;
  }
  const entries = objectOf(configuration.auths);
  const entry = objectOf(
    entries[registry] ?? entries[`https://${registry}`] ?? entries[`https://${registry}/v1/`],
  );
  const token = textIn(entry, 'identitytoken');
  if (token !== undefined) return { identitytoken: token, serveraddress: registry };
  const [username, password] = split(Buffer.from(textIn(entry, 'auth') ?? '', 'base64').toString());
  return password === undefined ? undefined : { username, password, serveraddress: registry };
}

/** The registry an image comes from: what stands before the first slash, where it looks like a host. */
export function registryOf(image: string): string {
  const [first = '', rest] = split(image, '/');
  const isHost = rest !== undefined && (/[.:]/.test(first) || first === 'localhost');
  return !isHost || first === 'docker.io' || first === 'index.docker.io' ? DOCKER_HUB : first;
}

function split(text: string, mark = ':'): [string, string?] {
  const at = text.indexOf(mark);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

/** The protocol of docker-credential-helpers: `get`, the registry on standard input, JSON on standard output. */
function askHelper(
  helper: string,
  registry: string,
  env: NodeJS.ProcessEnv,
): Promise<RegistryLogin | undefined> {
  // The name becomes part of a program's name, never a path.
  if (!/^[\w.-]+$/.test(helper)) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const child = execFile(
      `docker-credential-${helper}`,
      ['get'],
      { env, timeout: HELPER_TIMEOUT_MS },
      (error, stdout) => resolve(error === null ? loginOf(stdout, registry) : undefined),
    );
    child.stdin?.on('error', () => {}); // It may end before it reads.
    child.stdin?.end(registry);
  });
}

function loginOf(answer: string, registry: string): RegistryLogin | undefined {
  let found: Readonly<Record<string, unknown>>;
  try {
    found = objectOf(JSON.parse(answer));
  } catch {
    return undefined;
  }
  const username = textIn(found, 'Username');
  const secret = textIn(found, 'Secret');
  if (username === undefined || secret === undefined) return undefined;
  if (username === '<token>') return { identitytoken: secret, serveraddress: registry };
  return { username, password: secret, serveraddress: registry };
}
