/** What clients have to trust, and where it lies. */
export interface ClientTrust {
  /** PEM: the machine's roots and the boundary's CA. */
  readonly bundlePath: string;
  /** PEM: the boundary's CA and corporate ones alone, for tools that add them to the system's roots. */
  readonly caPath: string;
  /** A Java trust store with what the bundle holds, or null where none was written. */
  readonly javaTrustStore: { readonly path: string; readonly password: string } | null;
  /** A file with {@link wgetConfiguration}, or null where none was written. */
  readonly wgetConfigurationPath: string | null;
}

export interface ClientEnvironmentOptions extends ClientTrust {
  /** `http://127.0.0.1:PORT` */
  readonly proxyUrl: string;
  /** The environment to start from. */
  readonly base: NodeJS.ProcessEnv;
}

/** Where a proxy is named. Each is set in lower and in upper case: tools read one or the other. */
const PROXY_VARIABLES = [
  'http_proxy', // curl reads this one in lower case alone
  'https_proxy',
  'all_proxy',
  'ws_proxy',
  'wss_proxy',
  'ftp_proxy',
  'grpc_proxy',
  'npm_config_proxy',
  'npm_config_https_proxy',
  'yarn_http_proxy',
  'yarn_https_proxy',
  'cargo_http_proxy',
  'global_agent_http_proxy',
];

/**
 * Files that replace a tool's roots: they get the bundle. Node adds them to roots of its own, which lack what an
 * administrator put into the machine's, and passed connections may need that.
 */
const BUNDLE_VARIABLES = [
  'NODE_EXTRA_CA_CERTS', // Node, Bun, and what is made of them
  'SSL_CERT_FILE', // OpenSSL and what links it (Ruby, PHP, Perl, Python's ssl), Go, rustls-native-certs, uv
  'NIX_SSL_CERT_FILE', // the same inside Nix
  'CURL_CA_BUNDLE', // curl
  'GIT_SSL_CAINFO', // git
  'REQUESTS_CA_BUNDLE', // Python requests
  'HTTPLIB2_CA_CERTS', // Python httplib2
  'PIP_CERT', // pip
  'NPM_CONFIG_CAFILE', // npm
  'npm_config_cafile', // npm, pnpm: what npm itself hands to scripts
  'YARN_HTTPS_CA_FILE_PATH', // Yarn 2 and later
  'CARGO_HTTP_CAINFO', // cargo
  'AWS_CA_BUNDLE', // AWS command line and SDKs
  'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE', // gcloud
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH', // gRPC's C core and Node
  'BUNDLE_SSL_CA_CERT', // Ruby's bundler
  'PERL_LWP_SSL_CA_FILE', // Perl's LWP, which goes by it alone behind a proxy
  'HEX_CACERTS_PATH', // Elixir's hex
  'JULIA_SSL_CA_ROOTS_PATH', // Julia
  'CONDA_SSL_VERIFY', // conda takes a path for a yes
];

/** What would leave the bundle unread, name a client's own way around, or another trust store. */
export const REMOVED_VARIABLES = [
  'SSL_CERT_DIR', // Go and OpenSSL would trust it beside the bundle; unset, they go by the file
  'GIT_SSL_CAPATH',
  'GIT_PROXY_SSL_CAINFO',
  'GLOBAL_AGENT_NO_PROXY',
];

/** Names that are reached directly: this machine itself. */
const LOOPBACK = 'localhost,127.0.0.1,::1';

/**
 * The environment of a command that goes through the boundary: the proxy variables, and what makes each common tool
 * trust the boundary's CA. NO_PROXY is reduced to loopback, whatever it was. A variable that docs/clients.md does
 * not name stays as it is; JAVA_TOOL_OPTIONS is added to.
 */
export function clientEnvironment(options: ClientEnvironmentOptions): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.base)) {
    if (value !== undefined && !REMOVED_VARIABLES.includes(name.toUpperCase())) environment[name] = value;
  }
  for (const name of PROXY_VARIABLES) setBothCases(environment, name, options.proxyUrl);
  setBothCases(environment, 'no_proxy', LOOPBACK);
  setBothCases(environment, 'npm_config_noproxy', LOOPBACK);
  environment.NODE_USE_ENV_PROXY = '1'; // without it Node's own fetch and http read no proxy variable
  environment.CLOUDSDK_PROXY_TYPE = 'http';
  const proxy = new URL(options.proxyUrl);
  environment.CLOUDSDK_PROXY_ADDRESS = proxy.hostname;
  environment.CLOUDSDK_PROXY_PORT = proxy.port;
  const java = javaText([options.base.JAVA_TOOL_OPTIONS ?? '', ...javaProxyOptions(proxy)]);
  return { ...environment, ...trustVariables(options, { JAVA_TOOL_OPTIONS: java }) };
}

/**
 * What makes each common tool trust the boundary's CA, without any proxy: all that a command needs whose network leads
 * to the boundary by itself.
 * @param base where JAVA_TOOL_OPTIONS is added to
 */
export function trustVariables(
  trust: ClientTrust,
  base: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of BUNDLE_VARIABLES) environment[name] = trust.bundlePath;
  // Debian's wget knows no variable for its roots, but one for its system's configuration.
  if (trust.wgetConfigurationPath !== null) environment.SYSTEM_WGETRC = trust.wgetConfigurationPath;
  environment.DENO_CERT = trust.caPath; // beside the store, which holds the system's roots
  environment.DENO_TLS_CA_STORE = 'system,mozilla';
  // Appended: of two definitions of one property Java takes the last.
  const java = javaText([base.JAVA_TOOL_OPTIONS ?? '', ...javaTrustOptions(trust.javaTrustStore)]);
  if (java !== '') environment.JAVA_TOOL_OPTIONS = java;
  return environment;
}

/**
 * What a wget configuration file has to say. It stands in for the system's own, whose text is kept before it;
 * a user's ~/.wgetrc is read as ever.
 */
export function wgetConfiguration(bundlePath: string, system: string): string {
  return `${system}\nca_certificate = ${bundlePath}\n`;
}

function javaText(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}

function javaProxyOptions(proxy: URL): string[] {
  return [
    ...['http', 'https'].flatMap((scheme) => [
      `-D${scheme}.proxyHost=${proxy.hostname}`,
      `-D${scheme}.proxyPort=${proxy.port}`,
    ]),
    '-Dhttp.nonProxyHosts=localhost|127.0.0.1|[::1]',
  ];
}

function javaTrustOptions(store: ClientTrust['javaTrustStore']): string[] {
  if (store === null) return [];
  return [
    javaOption(`-Djavax.net.ssl.trustStore=${store.path}`),
    '-Djavax.net.ssl.trustStoreType=JKS',
    `-Djavax.net.ssl.trustStorePassword=${store.password}`,
  ];
}

/** The JVM splits the variable at white space outside quotes. */
function javaOption(option: string): string {
  return /\s/.test(option) ? `"${option}"` : option;
}

function setBothCases(environment: Record<string, string>, name: string, value: string): void {
  environment[name] = value;
  environment[name.toUpperCase()] = value;
}
