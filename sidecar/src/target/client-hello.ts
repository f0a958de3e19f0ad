import { parseAddress, parseHost } from './host.ts';
import { quote } from './refusal.ts';

/** What a ClientHello asks for. Encrypted ClientHello and its GREASE are ordinary: the outer name counts. */
export interface ClientHello {
  readonly kind: 'hello';
  /** Canonical as in {@link parseHost}, or null where none was sent. */
  readonly serverName: string | null;
  /** The protocols offered, in the client's order; empty without the extension. */
  readonly alpn: readonly string[];
  /** The newest version offered, as on the wire: 0x0303 is TLS 1.2, 0x0304 is TLS 1.3. */
  readonly newestVersion: number;
}

export type ClientHelloReading =
  | { readonly kind: 'more' }
  | ClientHello
  | { readonly kind: 'invalid'; readonly reason: string };

/** Bytes from the start of the connection within which a ClientHello has to end. */
export const LONGEST_CLIENT_HELLO = 65_536;

const RECORD_HEADER = 5;
const HANDSHAKE_HEADER = 4;
const LONGEST_FRAGMENT = 16_384;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
const EXTENSION_SUPPORTED_VERSIONS = 43;
const MORE: ClientHelloReading = { kind: 'more' };

/**
 * Reads the ClientHello (RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2) that a TLS connection begins with.
 * @param bytes everything received so far, from the first byte. The hello may be cut into records (RFC 8446
 * section 5.1) and segments anywhere; `more` asks to be called again with more.
 */
export function readClientHello(bytes: Uint8Array): ClientHelloReading {
  const message = handshakeMessage(bytes);
  if ('kind' in message) return message;
  try {
    return readMessage(new Reader(message.body));
  } catch (error) {
    if (error instanceof Malformed) return invalid(error.message);
    throw error;
  }
}

/** Takes the handshake message out of its records; the reading itself where that is settled before its body. */
function handshakeMessage(bytes: Uint8Array): ClientHelloReading | { readonly body: Uint8Array } {
  const fragments: Uint8Array[] = [];
  let have = 0;
  /** Header and body together, once the header is whole; joined twice at most, however many records there are. */
  let length: number | null = null;
  for (let at = 0; ; ) {
    const first = fragments[0];
    if (first !== undefined && first[0] !== 1)
      return invalid('the first handshake message is no ClientHello');
    if (length === null && have >= HANDSHAKE_HEADER) {
      length =
        HANDSHAKE_HEADER + new Reader(Buffer.concat(fragments).subarray(1, HANDSHAKE_HEADER)).number(3);
      if (length > LONGEST_CLIENT_HELLO) return invalid('the ClientHello is longer than 64 KiB');
    }
    if (length !== null && have >= length) {
      // RFC 8446 section 5.1 lets no other message share the record: nothing may follow before our answer.
      return have === length
        ? { body: Buffer.concat(fragments).subarray(HANDSHAKE_HEADER) }
        : invalid('more handshake bytes follow the ClientHello');
    }
    if (bytes.length > at && bytes[at] !== 0x16) return invalid('a record is no TLS handshake');
    if (bytes.length > at + 1 && bytes[at + 1] !== 0x03)
      return invalid('the record version is no TLS version');
    if (at + RECORD_HEADER > bytes.length) return tooLong(bytes) ?? MORE;
    const size = new Reader(bytes.subarray(at + 3, at + RECORD_HEADER)).number(2);
    if (size === 0 || size > LONGEST_FRAGMENT) return invalid('a record is empty or over 16 KiB');
    at += RECORD_HEADER;
    if (at + size > bytes.length) return tooLong(bytes) ?? MORE;
    fragments.push(bytes.subarray(at, at + size));
    have += size;
    at += size;
  }
}

function tooLong(bytes: Uint8Array): ClientHelloReading | null {
  return bytes.length >= LONGEST_CLIENT_HELLO ? invalid('the ClientHello does not end within 64 KiB') : null;
}

function readMessage(hello: Reader): ClientHelloReading {
  let newestVersion = hello.number(2);
  hello.bytes(32); // random
  hello.vector(1, 0, 32); // legacy_session_id
  hello.vector(2, 2, 65_534); // cipher_suites
  hello.vector(1, 1, 255); // legacy_compression_methods
  let serverName: string | null = null;
  let alpn: readonly string[] = [];
  // Before TLS 1.3 a hello may end here, without extensions.
  if (hello.left > 0) {
    const extensions = hello.vector(2, 0, 65_535);
    const seen = new Set<number>();
    while (extensions.left > 0) {
      const type = extensions.number(2);
      if (seen.has(type)) return invalid(`the extension ${type} came twice`);
      seen.add(type);
      const body = extensions.vector(2, 0, 65_535);
      if (type === EXTENSION_SERVER_NAME) serverName = readServerName(body);
      else if (type === EXTENSION_ALPN) alpn = readAlpn(body);
      else if (type === EXTENSION_SUPPORTED_VERSIONS) newestVersion = readNewestVersion(body);
    }
  }
  if (hello.left > 0) return invalid('bytes follow the extensions');
  return { kind: 'hello', serverName, alpn, newestVersion };
}

/** RFC 6066 section 3: a list, in which each type stands at most once; host_name is the only type there is. */
function readServerName(body: Reader): string {
  const list = body.vector(2, 1, 65_535);
  body.end();
  if (list.number(1) !== 0) throw new Malformed('the server name is of an unknown type');
  const text = list.vector(2, 1, 65_535).text();
  if (list.left > 0) throw new Malformed('there is more than one server name');
  // An address is not permitted here, yet some clients send one; it is compared like a name.
  const address = parseAddress(text);
  if (address !== null) return address.host;
  const host = /^[\x21-\x7e]+$/.test(text) ? parseHost(text) : null;
  if (!host?.ok) throw new Malformed(`the server name ${quote(text)} is no host name`);
  return host.value.host;
}

/** RFC 7301 section 3.1 */
function readAlpn(body: Reader): readonly string[] {
  const list = body.vector(2, 2, 65_535);
  body.end();
  const protocols: string[] = [];
  while (list.left > 0) protocols.push(list.vector(1, 1, 255).text());
  return protocols;
}

/** RFC 8446 section 4.2.1; the values of GREASE (RFC 8701) are no versions. */
function readNewestVersion(body: Reader): number {
  const list = body.vector(1, 2, 254);
  body.end();
  let newest = 0;
  while (list.left > 0) {
    const version = list.number(2);
    if (version >> 8 === 0x03) newest = Math.max(newest, version);
  }
  return newest;
}

function invalid(reason: string): ClientHelloReading {
  return { kind: 'invalid', reason };
}

class Malformed extends Error {}

/** Big-endian numbers and length-prefixed vectors (RFC 8446 section 3), with every bound checked. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  bytes(length: number): Uint8Array {
    if (length > this.left) throw new Malformed('a length in the ClientHello points past its end');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  number(width: number): number {
    return this.bytes(width).reduce((value, byte) => value * 256 + byte, 0);
  }

  vector(width: number, least: number, most: number): Reader {
    const length = this.number(width);
    if (length < least || length > most)
      throw new Malformed('a length in the ClientHello is out of its bounds');
    return new Reader(this.bytes(length));
  }

  /** One character per octet. */
  text(): string {
    return String.fromCharCode(...this.#bytes.subarray(this.#at));
  }

  end(): void {
    if (this.left > 0) throw new Malformed('an extension of the ClientHello has bytes left over');
  }
}
