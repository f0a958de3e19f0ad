import koffi from 'koffi';

/** More than `struct termios` takes in any C library of Linux (60 octets in glibc and musl). */
const TERMIOS_BYTES = 256;

/** Once all that was written is sent (tcsetattr(3)). */
const TCSADRAIN = 1;

const c = koffi.load(null);
const call = {
  tcgetattr: c.func('int tcgetattr(int fd, _Out_ void *termios)'),
  tcsetattr: c.func('int tcsetattr(int fd, int actions, const void *termios)'),
  cfmakeraw: c.func('void cfmakeraw(_Inout_ void *termios)'),
};

/**
 * Makes a terminal hand on every key and every octet of output as it is, which is for the command's own terminal to
 * interpret. Returns what puts it back as it was. Node's raw mode still adds a carriage return to each line feed, which a
 * program that draws has not asked for.
 */
export function makeRaw(descriptor: number): () => void {
  const before = Buffer.alloc(TERMIOS_BYTES);
  // What is no terminal, or has just gone, stays as it is.
  if (call.tcgetattr(descriptor, before) !== 0) return () => {};
  const raw = Buffer.from(before);
  call.cfmakeraw(raw);
  call.tcsetattr(descriptor, TCSADRAIN, raw);
  return () => void call.tcsetattr(descriptor, TCSADRAIN, before);
}
