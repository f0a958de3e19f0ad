import type { RemoteInfo, Socket } from 'node:dgram';
import type { DnsService } from './dns-service.ts';

/** Answers that wait for the kernel; what comes while so many wait is not answered, and clients ask again. */
const MOST_WAITING = 1024;

/**
 * Answers the DNS messages that arrive at a bound socket (RFC 1035 section 4.2.1), each to where it came from.
 * The socket and its errors stay the caller's.
 *
 * @returns stops it; the socket stays open
 */
export function serveDnsOverUdp(socket: Socket, service: DnsService): () => void {
  function answer(message: Buffer, { address, port }: RemoteInfo): void {
    if (socket.getSendQueueCount() >= MOST_WAITING) return;
    const octets = service.answer(message, 'udp');
    // Port 0 is no place to answer to (RFC 768: the sender wants no answer); Node would throw.
    if (octets === null || port === 0) return;
    // Whoever asked may be gone. With a callback, that is no error of the socket.
    socket.send(octets, port, address, () => {});
  }
  socket.on('message', answer);
  return () => {
    socket.off('message', answer);
  };
}
