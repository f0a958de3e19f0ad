import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ContainerError } from './container-error.ts';
import { objectOf, textIn } from './json-fields.ts';

/** Where a Docker engine listens, and how to speak to it. */
export interface EngineAddress {
  /** As DOCKER_HOST would have it: `unix:///var/run/docker.sock`. */
  readonly text: string;
  /** What named it, for people. */
  readonly source: string;
  readonly endpoint: UnixEndpoint | TcpEndpoint;
}

export interface UnixEndpoint {
  readonly socketPath: string;
}

export interface TcpEndpoint {
  readonly protocol: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** PEM: the CA of the engine, and the client's certificate with its key. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The text of a file; throws as node:fs does. */
export type ReadText = (path: string) => string;

const DEFAULT_SOCKET = '/var/run/docker.sock';

/**
 * The engine that `docker` itself would use: DOCKER_HOST (with DOCKER_TLS_VERIFY and DOCKER_CERT_PATH), else the context
 * that DOCKER_CONTEXT or Docker's configuration names, else the usual socket.
 * @throws ContainerError where what names it cannot be used
 */
export function engineAddress(env: NodeJS.ProcessEnv, readText: ReadText = readUtf8): EngineAddress {
  if (env.DOCKER_HOST) {
    const wantsTls = Boolean(env.DOCKER_TLS_VERIFY);
    const directory = env.DOCKER_CERT_PATH || (wantsTls ? dockerDirectory(env) : undefined);
    return addressOf(env.DOCKER_HOST, 'DOCKER_HOST', directory, wantsTls, readText);
  }
  const configuration = dockerConfiguration(env, readText);
  const context = env.DOCKER_CONTEXT || textIn(configuration, 'currentContext');
  if (context === undefined || context === 'default') {
    return addressOf(`unix://${DEFAULT_SOCKET}`, "Docker's default", undefined, false, readText);
  }
  const id = createHash('sha256').update(context).digest('hex');
  const source = `the Docker context ${JSON.stringify(context)}`;
  const host = contextHost(join(dockerDirectory(env), 'contexts', 'meta', id, 'meta.json'), source, readText);
  const certificates = join(dockerDirectory(env), 'contexts', 'tls', id, 'docker');
  return addressOf(
    host,
    source,
    readable(join(certificates, 'ca.pem'), readText) ? certificates : undefined,
    false,
    readText,
  );
}

/** Where Docker's client keeps its configuration. */
export function dockerDirectory(env: NodeJS.ProcessEnv): string {
  return env.DOCKER_CONFIG || join(env.HOME || homedir(), '.docker');
}

/** What Docker's config.json holds; nothing where there is none or where it is not JSON. */
export function dockerConfiguration(
  env: NodeJS.ProcessEnv,
  readText: ReadText = readUtf8,
): Readonly<Record<string, unknown>> {
  try {
    return objectOf(JSON.parse(readText(join(dockerDirectory(env), 'config.json'))));
  } catch {
    return {};
  }
}

function addressOf(
  text: string,
  source: string,
  certificates: string | undefined,
  wantsTls: boolean,
  readText: ReadText,
): EngineAddress {
  if (text.startsWith('unix://')) {
    return { text, source, endpoint: { socketPath: text.slice('unix://'.length) || DEFAULT_SOCKET } };
  }
  if (text.startsWith('ssh://')) {
    throw new ContainerError(
      `${source} names ${text}, and boundary speaks to an engine over a unix socket or TCP; forward the socket (ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock HOST) and set DOCKER_HOST=unix:///tmp/docker.sock`,
    );
  }
  const url = URL.parse(text.includes('://') ? text : `tcp://${text}`);
  if (url === null || url.hostname === '' || !['tcp:', 'http:', 'https:'].includes(url.protocol)) {
    throw new ContainerError(
      `${source} names ${JSON.stringify(text)}, which is no engine's address; expected unix:///PATH or tcp://HOST:PORT`,
    );
  }
  const tls = wantsTls || certificates !== undefined || url.protocol === 'https:' || url.port === '2376';
  const endpoint: TcpEndpoint = {
    protocol: tls ? 'https' : 'http',
    host: url.hostname.replaceAll(/[[\]]/g, ''),
    port: Number(url.port || (tls ? 2376 : 2375)),
    ...(certificates === undefined ? {} : clientCertificates(certificates, source, readText)),
  };
  return { text, source, endpoint };
}

function contextHost(path: string, source: string, readText: ReadText): string {
  let meta: unknown;
  try {
    meta = JSON.parse(readText(path));
  } catch (error) {
    throw new ContainerError(
      `${source} cannot be read (${error instanceof Error ? error.message : String(error)}); docker context ls shows which there are, and DOCKER_HOST names an engine directly`,
    );
  }
  const host = textIn(objectOf(objectOf(objectOf(meta).Endpoints).docker), 'Host');
  return host ?? `unix://${DEFAULT_SOCKET}`;
}

function clientCertificates(
  directory: string,
  source: string,
  readText: ReadText,
): Pick<TcpEndpoint, 'ca' | 'cert' | 'key'> {
  try {
    const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readText(join(directory, name)));
    return { ca: ca ?? '', cert: cert ?? '', key: key ?? '' };
  } catch (error) {
    throw new ContainerError(
      `the certificates for the engine that ${source} names cannot be read (${error instanceof Error ? error.message : String(error)}); expected ca.pem, cert.pem and key.pem in ${directory}`,
    );
  }
}

function readable(path: string, readText: ReadText): boolean {
  try {
    readText(path);
    return true;
  } catch {
    return false;
  }
}

function readUtf8(path: string): string {
  return readFileSync(path, 'utf8');
}
