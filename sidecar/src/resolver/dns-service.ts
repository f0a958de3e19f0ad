import { type DnsAnswer, emptyAnswer, encodeDnsAnswer, encodeDnsError } from '../target/dns-answer.ts';
import { DNS_CLASS_IN, DNS_RCODE, DNS_TYPE, dnsTypeText } from '../target/dns-codes.ts';
import { type DnsQuestion, readDnsQuestion } from '../target/dns-question.ts';
import type { NameAddresses } from './name-addresses.ts';

/** What was asked, and what became of it. */
export interface DnsEvent {
  /** Canonical as `Endpoint.host`; null where no host name was asked about. */
  readonly name: string | null;
  /** The name as it came, in printable ASCII (RFC 1035 section 5.1); null where none could be read. */
  readonly asked: string | null;
  /** `A`, `TXT`, `TYPE65400`; null where none could be read. One of 65,536: no label for a metric. */
  readonly type: string | null;
  /** The address that was answered. */
  readonly address: string | null;
  readonly transport: 'udp' | 'tcp';
  readonly result: DnsResult;
  /** No rule could ever allow anything at this name. */
  readonly impossible: boolean;
  /** A sentence for people. */
  readonly reason: string;
}

/**
 * - `answered`: with an address or, for a reverse question, a name;
 * - `empty`: there is no data of that type, or no such name;
 * - `refused`: nothing of that kind is answered;
 * - `malformed`: FORMERR, NOTIMP, or not answered at all;
 * - `full`: no address was free, or it could not be put on record (or boundary itself is at fault): SERVFAIL.
 */
export type DnsResult = 'answered' | 'empty' | 'refused' | 'malformed' | 'full';

export interface DnsServiceOptions {
  readonly names: Pick<NameAddresses, 'addressOf' | 'nameOf'>;
  /** Could anything be allowed at this name? Only whether the question is remarkable hangs on it, not the answer. */
  readonly mayReach: (name: string) => boolean;
  /** Told of every message, once, before its answer is sent. Must not throw. */
  readonly onQuestion: (event: DnsEvent) => void;
  /** Seconds that clients may keep an address; 60 unless told. */
  readonly ttlSeconds?: number;
}

export interface DnsService {
  /** The octets to send back, or null where nothing is due. Never throws; a fault in the answering is SERVFAIL. */
  answer(message: Uint8Array, transport: 'udp' | 'tcp'): Buffer | null;
}

interface Finding {
  readonly answer: DnsAnswer;
  readonly result: DnsResult;
  readonly reason: string;
  readonly impossible?: boolean;
}

const LOOPBACK = '127.0.0.1';
const LOCALHOST = /(?:^|\.)localhost$/;
const REVERSE = /(?:^|\.)(?:in-addr|ip6)\.arpa$/;
const REVERSE_V4 = /^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.in-addr\.arpa$/;
const REVERSE_V6 = /^(?:[0-9a-f]\.){32}ip6\.arpa$/;
/** RFC 6761 section 6.4, RFC 7686 section 2: there never is such a name, whoever is asked. */
const NEVER_THERE = /(?:^|\.)(?:invalid|onion)$/;
/** Where this name is not there, Firefox leaves names to the system instead of a server on the web. */
const CANARY = 'use-application-dns.net';

/**
 * Answers what the workspace asks, out of its own head: no question is ever sent on, so none carries data out. Every
 * host name has one address of a range of our own, also a name that will be denied: the verdict falls when somebody
 * connects, where it can be explained in the client's own protocol.
 */
export function createDnsService(options: DnsServiceOptions): DnsService {
  const { names, mayReach, onQuestion, ttlSeconds: ttl = 60 } = options;

  function find(question: DnsQuestion): Finding {
    const { name, type } = question;
    if (question.edns !== null && question.edns.version !== 0)
      return refused(DNS_RCODE.BADVERS, 'The version of EDNS is unknown.');
    if (question.class !== DNS_CLASS_IN)
      return refused(DNS_RCODE.REFUSED, `The class is ${question.class}; only IN is answered.`);
    if (isMeta(type)) return refused(DNS_RCODE.REFUSED, `${dnsTypeText(type)} asks for no data of one type.`);
    if (question.asked === '.') return empty('The root has no addresses.');
    if (name === null) {
      return {
        ...refused(
          DNS_RCODE.NXDOMAIN,
          'It is no host name: those are letters, digits, "-" and "_" between dots.',
        ),
        impossible: true,
      };
    }
    return special(name, type) ?? ordinary(name, type);
  }

  function special(name: string, type: number): Finding | null {
    if (LOCALHOST.test(name)) {
      if (type !== DNS_TYPE.A) return empty('The name localhost has an IPv4 address alone.');
      return answered({ rcode: DNS_RCODE.NOERROR, data: { type: 'A', address: LOOPBACK }, ttl });
    }
    if (REVERSE.test(name)) return reverse(name, type);
    if (name === CANARY) return missing('This name is not there so that browsers leave names to the system.');
    if (NEVER_THERE.test(name))
      return { ...missing('No such name can be there (RFC 6761, RFC 7686).'), impossible: !mayReach(name) };
    return null;
  }

  /** Tools such as ssh and who like to know whose address they see. */
  function reverse(name: string, type: number): Finding {
    const octets = REVERSE_V4.exec(name)?.slice(1).reverse();
    if (octets === undefined && !REVERSE_V6.test(name))
      return { ...missing('It is no reverse name of an address.'), impossible: !mayReach(name) };
    const address = octets?.join('.') ?? '';
    const owner = address === LOOPBACK ? 'localhost' : names.nameOf(address);
    if (owner === undefined)
      return missing('Addresses have names here only where names were given addresses.');
    if (type !== DNS_TYPE.PTR) return empty('A reverse name has PTR data alone.');
    return answered({ rcode: DNS_RCODE.NOERROR, data: { type: 'PTR', name: owner }, ttl });
  }

  function ordinary(name: string, type: number): Finding {
    const reachable = mayReach(name);
    const finding = type === DNS_TYPE.A ? address(name, reachable) : empty('Names have A data alone here.');
    if (reachable) return finding;
    const reason = `No rule allows anything at ${name}. The question was sent to nobody.`;
    return { ...finding, reason, impossible: true };
  }

  function address(name: string, reachable: boolean): Finding {
    const found = names.addressOf(name, reachable);
    if (found !== null)
      return answered({ rcode: DNS_RCODE.NOERROR, data: { type: 'A', address: found }, ttl });
    return failed('No address is free for a new name, or it could not be put on record.');
  }

  function findSafely(question: DnsQuestion): Finding {
    try {
      return find(question);
    } catch (error) {
      return failed(`A fault of boundary's own: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }

  return {
    answer(message, transport) {
      const reading = readDnsQuestion(message);
      if (reading.kind !== 'question') {
        const unread = { name: null, asked: null, type: null, address: null, impossible: false } as const;
        onQuestion({ ...unread, transport, result: 'malformed', reason: reading.reason });
        return reading.kind === 'drop' ? null : encodeDnsError(reading, reading.rcode);
      }
      const { answer, result, reason, impossible = false } = findSafely(reading);
      const { name, asked } = reading;
      const type = dnsTypeText(reading.type);
      const address = answer.data?.type === 'A' ? answer.data.address : null;
      onQuestion({ name, asked, type, address, transport, result, impossible, reason });
      return encodeDnsAnswer(reading, answer);
    },
  };
}

/** OPT, and the types that stand for others or for none (RFC 6895 section 3.1): ANY, AXFR, IXFR, TSIG and their like. */
function isMeta(type: number): boolean {
  return type === 0 || type === DNS_TYPE.OPT || (type >= 128 && type <= 255);
}

function answered(answer: DnsAnswer): Finding {
  return { answer, result: 'answered', reason: 'Answered here; nothing was asked elsewhere.' };
}

function empty(reason: string): Finding {
  return { answer: emptyAnswer(), result: 'empty', reason };
}

function missing(reason: string): Finding {
  return { answer: emptyAnswer(DNS_RCODE.NXDOMAIN), result: 'empty', reason };
}

function refused(rcode: DnsAnswer['rcode'], reason: string): Finding {
  return { answer: emptyAnswer(rcode), result: 'refused', reason };
}

function failed(reason: string): Finding {
  return { answer: emptyAnswer(DNS_RCODE.SERVFAIL), result: 'full', reason };
}
