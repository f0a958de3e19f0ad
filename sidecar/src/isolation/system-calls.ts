import { constants } from 'node:os';
import koffi from 'koffi';

/**
 * The few system calls that Node has no function for, through the C library: sockets that are made in one network
 * namespace and accepted on in another (unix(7), SCM_RIGHTS), and what a redirected connection was meant for (ip(7),
 * netfilter's SO_ORIGINAL_DST). Linux on 64-bit processors, whose `struct msghdr` and numbers are alike.
 */

const AF_UNIX = 1;
const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const IPPROTO_IP = 0;
const SO_REUSEADDR = 2;
const SO_NETNS_COOKIE = 71;
const SO_ORIGINAL_DST = 80;
const MSG_DONTWAIT = 0x40;
const MSG_CTRUNC = 0x08;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const F_DUPFD_CLOEXEC = 1030;
const SOCKADDR_IN = 16;
/** RFC-less and fixed: `sun_path` of sockaddr_un, its final NUL included. */
const LONGEST_PATH = 108;
/** `struct cmsghdr` of a 64-bit kernel: length, level, type. */
const CMSG_HEADER = 16;
const FD = 4;

const c = koffi.load(null);
koffi.struct('boundary_iovec', { base: 'void *', length: 'size_t' });
koffi.struct('boundary_msghdr', {
  name: 'void *',
  namelen: 'uint32_t',
  iov: 'boundary_iovec *',
  iovlen: 'size_t',
  control: 'void *',
  controllen: 'size_t',
  flags: 'int',
});
const call = {
  socket: c.func('int socket(int domain, int type, int protocol)'),
  bind: c.func('int bind(int fd, const void *address, uint32_t length)'),
  listen: c.func('int listen(int fd, int backlog)'),
  connect: c.func('int connect(int fd, const void *address, uint32_t length)'),
  getsockname: c.func('int getsockname(int fd, _Out_ void *address, _Inout_ uint32_t *length)'),
  getsockopt: c.func(
    'int getsockopt(int fd, int level, int option, _Out_ void *value, _Inout_ uint32_t *length)',
  ),
  setsockopt: c.func('int setsockopt(int fd, int level, int option, const void *value, uint32_t length)'),
  send: c.func('int64_t send(int fd, const void *bytes, size_t length, int flags)'),
  sendmsg: c.func('int64_t sendmsg(int fd, const boundary_msghdr *message, int flags)'),
  recvmsg: c.func('int64_t recvmsg(int fd, _Inout_ boundary_msghdr *message, int flags)'),
  fcntl: c.func('int fcntl(int fd, int command, int argument)'),
  close: c.func('int close(int fd)'),
};

/** A system call that failed. `code` is the name of its errno (`EADDRINUSE`). */
export class SystemCallError extends Error {
  override readonly name = 'SystemCallError';
  readonly code: string;

  constructor(callName: string, errno: number) {
    const code =
      Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
    super(`${callName}: ${code}`);
    this.code = code;
  }
}

function checked(name: string, result: number): number {
  if (result >= 0) return result;
  throw new SystemCallError(name, koffi.errno());
}

/** An IPv4 address and a port. */
export interface Inet {
  readonly address: string;
  readonly port: number;
}

/** A descriptor of this process and the port it is bound to. */
export interface BoundSocket {
  readonly fd: number;
  readonly port: number;
}

/**
 * A socket on a free port of every IPv4 address of the current network namespace that nobody in this process reads:
 * it is there to be handed on.
 * @param backlog for `stream`: connections that wait to be accepted
 * @throws SystemCallError
 */
export function boundSocket(kind: 'stream' | 'datagram', backlog = 4_096): BoundSocket {
  const type = (kind === 'stream' ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = checked('socket', call.socket(AF_INET, type, 0) as number);
  try {
    const address = Buffer.alloc(SOCKADDR_IN);
    address.writeUInt16LE(AF_INET, 0);
    checked('bind', call.bind(fd, address, SOCKADDR_IN) as number);
    if (kind === 'stream') checked('listen', call.listen(fd, backlog) as number);
    checked('getsockname', call.getsockname(fd, address, [SOCKADDR_IN]) as number);
    return { fd, port: address.readUInt16BE(2) };
  } catch (error) {
    call.close(fd);
    throw error;
  }
}

/**
 * Where a redirected connection was going (netfilter's SO_ORIGINAL_DST, linux/netfilter_ipv4.h). It asks the
 * namespace that the socket was made in, wherever the caller is, and needs no capability.
 * @returns null where the connection is none of conntrack's, or is gone
 */
export function originalDestination(fd: number): Inet | null {
  const value = Buffer.alloc(SOCKADDR_IN);
  const result = call.getsockopt(fd, IPPROTO_IP, SO_ORIGINAL_DST, value, [SOCKADDR_IN]) as number;
  if (result < 0 || value.readUInt16LE(0) !== AF_INET) return null;
  const address = `${value[4]}.${value[5]}.${value[6]}.${value[7]}`;
  return { address, port: value.readUInt16BE(2) };
}

/**
 * The number of the network namespace that a socket was made in (asm-generic/socket.h, SO_NETNS_COOKIE): none is used
 * twice until the machine starts again.
 * @returns null where the kernel does not tell (Linux before 5.14)
 */
export function namespaceOf(fd: number): bigint | null {
  const value = Buffer.alloc(8);
  const result = call.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, value, [value.length]) as number;
  return result < 0 ? null : value.readBigUInt64LE();
}

/**
 * Connects to a unix socket and says `greeting`, without waiting for either: a connection to a socket that listens
 * stands at once (unix(7)).
 * @returns a descriptor to {@link receiveDescriptors} from
 * @throws SystemCallError (`ECONNREFUSED`, `ENOENT`, `EAGAIN` where its backlog is full)
 */
export function connectUnix(path: string, greeting: string): number {
  const name = Buffer.from(path);
  if (name.length >= LONGEST_PATH) {
    throw new Error(`${path} is too long for a unix socket: at most ${LONGEST_PATH - 1} octets.`);
  }
  const address = Buffer.alloc(2 + LONGEST_PATH);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  const type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = checked('socket', call.socket(AF_UNIX, type, 0) as number);
  try {
    checked('connect', call.connect(fd, address, address.length) as number);
    const bytes = Buffer.from(greeting);
    checked('send', Number(call.send(fd, bytes, bytes.length, MSG_NOSIGNAL | MSG_DONTWAIT)));
    return fd;
  } catch (error) {
    call.close(fd);
    throw error;
  }
}

/**
 * Sends descriptors with one octet over a unix socket (unix(7), SCM_RIGHTS). The receiver gets copies.
 * @throws SystemCallError
 */
export function sendDescriptors(fd: number, descriptors: readonly number[]): void {
  const control = Buffer.alloc(controlSpace(descriptors.length));
  control.writeBigUInt64LE(BigInt(CMSG_HEADER + FD * descriptors.length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, one] of descriptors.entries()) control.writeInt32LE(one, CMSG_HEADER + FD * index);
  const message = messageHeader(Buffer.from([1]), control);
  checked('sendmsg', Number(call.sendmsg(fd, message, MSG_NOSIGNAL | MSG_DONTWAIT)));
}

/**
 * Takes descriptors that were sent already. They are closed on exec.
 * @param count how many are expected
 * @throws SystemCallError (`EAGAIN` where none were sent), Error where another number came; none is kept then
 */
export function receiveDescriptors(fd: number, count: number): number[] {
  const control = Buffer.alloc(controlSpace(count));
  const message = messageHeader(Buffer.alloc(1), control);
  const got = checked('recvmsg', Number(call.recvmsg(fd, message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT)));
  if (got === 0) throw new Error('The gate closed the connection before it handed over its sockets.');
  const length = Number(control.readBigUInt64LE(0));
  const isRights = control.readInt32LE(8) === SOL_SOCKET && control.readInt32LE(12) === SCM_RIGHTS;
  const found = isRights && length >= CMSG_HEADER ? Math.floor((length - CMSG_HEADER) / FD) : 0;
  const descriptors = Array.from({ length: found }, (_, index) =>
    control.readInt32LE(CMSG_HEADER + FD * index),
  );
  if (found === count && (message.flags & MSG_CTRUNC) === 0) return descriptors;
  for (const one of descriptors) call.close(one);
  throw new Error(
    `The gate handed over ${found} sockets, ${count} were expected. Run the same version of both.`,
  );
}

/** Another descriptor of the same open socket. @throws SystemCallError */
export function duplicate(fd: number): number {
  return checked('fcntl', call.fcntl(fd, F_DUPFD_CLOEXEC, 0) as number);
}

/**
 * From now on no other socket can be bound to the same port, whatever it asks for (socket(7), SO_REUSEADDR): for UDP,
 * two that both allow it share a port, and the later one gets the datagrams. @throws SystemCallError
 */
export function keepPort(fd: number): void {
  const off = Buffer.alloc(4);
  checked('setsockopt', call.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, off, off.length) as number);
}

/** Closes a descriptor that no stream of Node's owns. */
export function closeDescriptor(fd: number): void {
  call.close(fd);
}

function controlSpace(descriptors: number): number {
  return CMSG_HEADER + Math.ceil((FD * descriptors) / 8) * 8;
}

function messageHeader(bytes: Buffer, control: Buffer) {
  return {
    name: null,
    namelen: 0,
    iov: [{ base: bytes, length: bytes.length }],
    iovlen: 1,
    control,
    controllen: control.length,
    flags: 0,
  };
}
