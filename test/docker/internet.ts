import type { JsonProcess } from './json-process.ts';

/** What arrived somewhere: from whom, where it was going, and the marks of attacks in it. */
export interface Arrival {
  readonly from: string;
  readonly to: string;
  readonly protocol: string;
  readonly port: number;
  readonly bytes: number;
  readonly marks: readonly string[];
}

/** What an internet was asked over HTTP, inside TLS too. */
export interface Asked {
  readonly to: string;
  readonly port: number;
  readonly tls: boolean;
  readonly method: string;
  readonly path: string;
  readonly host: string;
}

/** A container that counts what arrives (internet.py). */
export class Internet {
  readonly process: JsonProcess;
  readonly address: string;
  /** Where the others on its network send what is not for it, and ask for names. */
  readonly gateway: string;

  constructor(process: JsonProcess, address: string, gateway: string) {
    this.process = process;
    this.address = address;
    this.gateway = gateway;
  }

  arrivals(since = 0): Promise<{ readonly arrivals: readonly Arrival[]; readonly next: number }> {
    return this.process.call({ do: 'arrivals', since });
  }

  async requests(): Promise<readonly Asked[]> {
    const { requests } = await this.process.call<{ requests: readonly Asked[] }>({ do: 'requests' });
    return requests;
  }

  /** What its name server answers: `A`, `AAAA` and `CNAME` of names; of several answers each is given once, in turn. */
  async names(answers: Readonly<Record<string, readonly (readonly [string, string][])[]>>): Promise<void> {
    await this.process.call({ do: 'names', answers });
  }
}
