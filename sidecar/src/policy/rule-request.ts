import { normalisePath } from '../target/path.ts';
import { quoted, type Read } from './faults.ts';
import type { Limits, PortRange, RuleSpec } from './types.ts';

/** RFC 9110 section 5.6.2 */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** A path of a rule after RFC 3986 normalisation, its stars kept; `*` alone is every path. */
export function readPath(text: string): Read<string> {
  if (text === '*') return { value: text };
  const found = quoted(text);
  if (!text.startsWith('/'))
    return { fault: `the path ${found} does not start with "/". Write "/api/*", or "*" for every path.` };
  if (/[?#]/.test(text)) {
    return { fault: `the path ${found} holds "?" or "#". The query is no part of the path; leave it out.` };
  }
  const segments = text.split('/');
  if (segments.some((segment) => segment !== '*' && segment.includes('*'))) {
    return {
      fault: `in the path ${found} a "*" is part of a segment. It stands for a whole segment; a star itself is written %2A.`,
    };
  }
  const path = normalisePath(text.toWellFormed().replace(/[^\0-\x7f]+/g, encodeURIComponent));
  if (path.ok) return path;
  return {
    fault: `${path.refusal.reason.replace(/ Servers disagree.*$/s, '')} No request with such a path is ever passed on.`,
  };
}

/** A method in upper case, or `*` for every method. */
export function readMethod(text: string): Read<string> {
  if (TOKEN.test(text) && (text === '*' || !text.includes('*'))) return { value: text.toUpperCase() };
  return {
    fault: `${quoted(text)} is no HTTP method. Expected a name like GET, or "*" for every method; several go in a list.`,
  };
}

/** `443`, `8000-8999` or `any`. */
export function readPort(text: string): Read<PortRange | 'any'> {
  if (text === 'any') return { value: text };
  const [, from, to = from] = /^([1-9]\d{0,4})(?:-([1-9]\d{0,4}))?$/.exec(text) ?? [];
  const range = { from: Number(from), to: Number(to) };
  if (range.from <= range.to && range.to <= 65535) return { value: range };
  const star = text === '*' ? ' For every port write "any".' : '';
  return {
    fault: `${quoted(text)} is no port. Expected a number from 1 to 65535, a range like 8000-8999, or any.${star}`,
  };
}

/** `host/owner/name`, the last two possibly `*`. */
export function readRepo(text: string): Read<readonly [host: string, owner: string, name: string]> {
  const parts = text.split('/');
  const [host = '', owner = '', name = ''] = parts;
  const usable = (part: string) =>
    part === '*' || (/^[A-Za-z0-9._~-]+$/.test(part) && !/^\.{1,2}$/.test(part));
  if (parts.length === 3 && host !== '' && !host.includes('*') && usable(owner) && usable(name)) {
    return { value: [host, owner, name] };
  }
  const scheme = text.includes('://') || text.startsWith('git@') ? ' Leave out the scheme and the user.' : '';
  return {
    fault: `${quoted(text)} is no repository. Expected HOST/OWNER/NAME, such as github.com/coder/coder; "*" may stand for owner or name.${scheme}`,
  };
}

/** `60/min`: so many per second, minute or hour. */
export function readRate(text: string): Read<NonNullable<Limits['requests']>> {
  const [, count, unit] = /^([1-9]\d{0,8})\/(s|min|h)$/.exec(text) ?? [];
  if (count === undefined)
    return { fault: `${quoted(text)} is no rate. Expected N/s, N/min or N/h, such as 60/min.` };
  return { value: { count: Number(count), perSeconds: unit === 's' ? 1 : unit === 'min' ? 60 : 3600 } };
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  kB: 1000,
  MB: 1000 ** 2,
  GB: 1000 ** 3,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
};

/** `1MiB`, in bytes. */
export function readSize(text: string): Read<number> {
  const [, count, unit = ''] = /^([1-9]\d{0,8}) ?([kKMG]?i?B)?$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (count !== undefined && factor !== undefined) return { value: Number(count) * factor };
  return {
    fault: `${quoted(text)} is no size. Expected a number of bytes or a form like 512KiB, 1MiB, 2GB.`,
  };
}

/** The name of a protocol that a connection may be upgraded to, lower case (RFC 9110 section 7.8). */
export function readUpgrade(text: string): Read<string> {
  const name = text.toLowerCase();
  if (name === 'h2c')
    return { fault: 'an upgrade to h2c never passes: its requests could not be judged. Leave it out.' };
  if (TOKEN.test(text.replace('/', ''))) return { value: name };
  return {
    fault: `${quoted(text)} is no protocol name. Expected one as in an Upgrade header, such as DERP.`,
  };
}

/** A package's name as its registry writes it; `*` as a whole part between slashes. */
export function readPackage(text: string): Read<string> {
  const parts = text.split('/');
  const whole = parts.every((part) => part === '*' || (/^[\w.@~+-]+$/.test(part) && !/^\.{1,2}$/.test(part)));
  if (whole) return { value: text };
  return {
    fault: `${quoted(text)} is no package name. Expected one like left-pad or @coder/*, where "*" is a whole part between slashes, without a version.`,
  };
}

/** True where matching the rule needs to see the request, and not only where it goes. */
export function looksAtRequests(spec: RuleSpec): boolean {
  const { methods, paths, repos, registries, limits, inject, upgrade } = spec;
  return (
    (methods !== undefined && !methods.includes('*')) ||
    (paths !== undefined && !paths.includes('*')) ||
    [repos, registries, limits, inject, upgrade].some((part) => part !== undefined)
  );
}
