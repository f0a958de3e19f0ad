import { type Command, Option } from 'commander';
import { portNumber } from './listen-address.ts';

export const logLevels = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/** The flags about the way out, shared by `run` and `sidecar`. */
export interface UpstreamOptions {
  readonly upstreamProxy?: string;
  readonly upstreamCa?: string;
}

export function addUpstreamOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--upstream-proxy <url>',
        'go out through this proxy, http://[USER:PASSWORD@]HOST:PORT; it then resolves the names',
      ).env('BOUNDARY_UPSTREAM_PROXY'),
    )
    .addOption(
      new Option(
        '--upstream-ca <file>',
        "trust the CA certificates of this PEM file too, beside the system's",
      ).env('BOUNDARY_UPSTREAM_CA'),
    );
}

/** `--log-level`. Its default is applied by the command, since a config file may hold one. */
export function addLogLevel(command: Command): Command {
  return command.addOption(
    new Option('--log-level <level>', 'what is logged: error, warn (denials), info (every request), debug')
      .choices(logLevels)
      .env('BOUNDARY_LOG_LEVEL'),
  );
}

export function proxyPortOption(): Option {
  return new Option(
    '--proxy-port <port>',
    'the port of the proxy on 127.0.0.1; 0, the default, takes a free one',
  )
    .argParser(portNumber)
    .env('PROXY_PORT');
}
