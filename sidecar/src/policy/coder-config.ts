import type { Faults } from './faults.ts';
import type { Field } from './mapping.ts';
import { kindOf, readBoolean, readChoice, readText, readWhole } from './mapping.ts';
import type { Settings } from './types.ts';

/** Keys of the config.yaml of Coder's Agent Firewall beside `allowlist`, which are about its process. */
export const coderKeys = [
  'jail_type',
  'proxy_port',
  'log_level',
  'log_dir',
  'upstream_proxy',
  'pprof_enabled',
  'pprof_port',
  'use_real_dns',
  'no_user_namespace',
  'disable_audit_logs',
] as const;

/** Its keys that tie log lines to a session; there are several, and none means anything here. */
export const sessionKey = /^session_correlation_[a-z0-9_]+$/;

/** Reads what such a file says beside its rules. Values of the wrong type are faults; several keys have no effect here. */
export function readCoderSettings(fields: ReadonlyMap<string, Field>, faults: Faults): Settings {
  const settings: { -readonly [Key in keyof Settings]: Settings[Key] } = {};
  for (const [key, { value }] of fields) {
    switch (key) {
      case 'proxy_port': {
        const port = readWhole(value, 0, 65535, faults);
        if (port !== undefined) settings.proxyPort = port;
        break;
      }
      case 'log_level': {
        const level = value.kind === 'scalar' ? { ...value, text: value.text.toLowerCase() } : value;
        const read = readChoice(level, ['error', 'warn', 'info', 'debug'], faults);
        if (read !== undefined) settings.logLevel = read;
        break;
      }
      case 'log_dir': {
        const text = readText(value, 'a directory', faults);
        if (text !== undefined) settings.logDir = text.text;
        break;
      }
      case 'upstream_proxy': {
        const text = readText(value, 'a URL', faults);
        if (text !== undefined) settings.upstreamProxy = text.text;
        break;
      }
      case 'jail_type':
        readChoice(value, ['nsjail', 'landjail'], faults);
        break;
      case 'pprof_port':
        readWhole(value, 0, 65535, faults);
        break;
      case 'pprof_enabled':
      case 'use_real_dns':
      case 'no_user_namespace':
      case 'disable_audit_logs':
        readBoolean(value, faults);
        break;
      default:
        if (sessionKey.test(key) && value.kind !== 'scalar') {
          faults.add(value.at, `found ${kindOf(value)}. Expected one value.`);
        }
    }
  }
  return settings;
}

/** `3-9, 12`: ascending line numbers as ranges. */
export function lineRanges(lines: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const line of lines) {
    const last = ranges.at(-1);
    if (last !== undefined && line <= last[1] + 1) last[1] = line;
    else ranges.push([line, line]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}
