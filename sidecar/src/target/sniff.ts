import { METHOD_STARTS } from './method.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const LONGEST_START = Math.max(PREFACE.length, ...METHOD_STARTS.map((start) => start.length));
const TLS_HANDSHAKE = 0x16;
const TLS_MAJOR = 0x03;

/**
 * What a connection speaks, by its first bytes: TLS by a handshake record (RFC 8446 section 5.1), HTTP/2 by its
 * preface (RFC 9113 section 3.4), HTTP/1.1 by a known method and a space. `more` while the bytes could still be
 * two of these; at most 24 are looked at, so it ends.
 */
export function sniff(bytes: Uint8Array): 'more' | 'tls' | 'http1' | 'http2' | 'other' {
  if (bytes.length === 0) return 'more';
  if (bytes[0] === TLS_HANDSHAKE) {
    if (bytes.length < 2) return 'more';
    return bytes[1] === TLS_MAJOR ? 'tls' : 'other';
  }
  const text = String.fromCharCode(...bytes.subarray(0, LONGEST_START));
  if (text.startsWith(PREFACE)) return 'http2';
  if (METHOD_STARTS.some((start) => text.startsWith(start))) return 'http1';
  return [PREFACE, ...METHOD_STARTS].some((start) => start.startsWith(text)) ? 'more' : 'other';
}
