/** RFC 4253 section 11.1: SSH_MSG_DISCONNECT and SSH_DISCONNECT_HOST_NOT_ALLOWED_TO_CONNECT. */
const DISCONNECT = 1;
const NOT_ALLOWED = 1;
/** RFC 4253 section 6: a packet before the key exchange is a multiple of this, and its padding at least four octets. */
const BLOCK = 8;
const LEAST_PADDING = 4;
const HEADER = 5;

/** Whether the first octets of a connection are an ssh client's (RFC 4253 section 4.2). */
export function isSsh(first: Uint8Array): boolean {
  return Buffer.from(first.subarray(0, 4)).toString('latin1') === 'SSH-';
}

/** What an ssh server says that refuses a client at once: its version and a disconnect, whose reason people are shown. */
export function sshDisconnect(reason: string): Buffer {
  const description = Buffer.from(`boundary denied this connection. ${reason}`);
  const payload = Buffer.concat([
    Buffer.from([DISCONNECT]),
    uint32(NOT_ALLOWED),
    string(description),
    string(Buffer.alloc(0)),
  ]);
  const unpadded = HEADER + payload.length + LEAST_PADDING;
  const padding = LEAST_PADDING + ((BLOCK - (unpadded % BLOCK)) % BLOCK);
  return Buffer.concat([
    Buffer.from('SSH-2.0-boundary\r\n'),
    uint32(1 + payload.length + padding),
    Buffer.from([padding]),
    payload,
    Buffer.alloc(padding),
  ]);
}

function uint32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

function string(octets: Buffer): Buffer {
  return Buffer.concat([uint32(octets.length), octets]);
}
