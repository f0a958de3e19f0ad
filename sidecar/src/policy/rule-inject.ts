import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { quoted, type Read } from './faults.ts';

/** Where the values of `inject` come from. */
export interface SecretSources {
  readonly env: NodeJS.ProcessEnv;
  readonly readFile: (path: string) => string;
}

/** The text of a file of this machine, for `${file:PATH}`. Throws as node:fs does. */
export function readSecretFile(path: string): string {
  return readFileSync(path, 'utf8');
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** Headers that say where a message goes or ends (RFC 9110 section 7.6.1, RFC 9112 section 6): never a rule's. */
const RESERVED = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'keep-alive',
  'proxy-authorization',
  'proxy-connection',
  'expect',
]);

export function readHeaderName(text: string): Read<string> {
  if (!TOKEN.test(text))
    return { fault: `${quoted(text)} is no header name. Expected one like Authorization.` };
  if (!RESERVED.has(text.toLowerCase())) return { value: text };
  return {
    fault: `the header ${text} says how a message is carried and cannot be injected. Choose another.`,
  };
}

/**
 * The value of an injected header, with `${env:NAME}` and `${file:PATH}` filled in. A file's last line break is
 * dropped. What a variable or file held is never part of a message.
 */
export function readSecret(text: string, sources: SecretSources): Read<string> {
  const faults: string[] = [];
  const value = text.replace(/\$\{([^}]*)\}?/g, (whole, inner: string) => {
    const filled = whole.endsWith('}') ? fill(inner, sources) : { fault: `${quoted(whole)} has no "}".` };
    if ('value' in filled) return filled.value;
    faults.push(filled.fault);
    return '';
  });
  const [fault] = faults;
  if (fault !== undefined) return { fault };
  // RFC 9110 section 5.5: visible octets, spaces and tabs inside.
  if (/^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/.test(value)) return { value };
  return {
    fault:
      'the value of the header is empty, or holds a line break, a character that is not ASCII, or a space at an end. Look at the variable or file.',
  };
}

function fill(inner: string, { env, readFile }: SecretSources): Read<string> {
  const colon = inner.indexOf(':');
  const kind = inner.slice(0, colon);
  const name = inner.slice(colon + 1);
  if (kind === 'env' && /^[A-Za-z_]\w*$/.test(name)) {
    const value = env[name];
    if (value !== undefined && value !== '') return { value };
    return { fault: `the environment variable ${name} is not set. Set it before the start.` };
  }
  if (kind === 'file' && /^(?:~\/|\/)./.test(name)) {
    const path = name.startsWith('~/') ? `${env.HOME || homedir()}${name.slice(1)}` : name;
    try {
      return { value: readFile(path).replace(/\r?\n$/, '') };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'an unknown error';
      return { fault: `the file ${quoted(path)} cannot be read (${code}). Make it readable for boundary.` };
    }
  }
  return {
    fault: `${quoted(`\${${inner}}`)} cannot be filled in. Expected \${env:NAME} or \${file:/ABSOLUTE/PATH}.`,
  };
}
