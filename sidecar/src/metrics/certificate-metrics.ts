import { Counter, Gauge, type Registry } from 'prom-client';

/** What is said of the boundary's own certificates. */
export interface CertificateFacts {
  readonly minted: number;
  readonly cached: number;
  readonly notAfter: Date;
}

/** Registers what the certificate authority has done; `facts` is asked when metrics are scraped. */
export function registerCertificates(registry: Registry, facts: () => CertificateFacts): void {
  const registers = [registry];
  new Counter({
    name: 'boundary_certificates_minted_total',
    help: 'Leaf certificates made.',
    registers,
    collect() {
      this.reset();
      this.inc(facts().minted);
    },
  });
  new Gauge({
    name: 'boundary_certificates_cached',
    help: 'Leaf certificates in the cache.',
    registers,
    collect() {
      this.set(facts().cached);
    },
  });
  new Gauge({
    name: 'boundary_ca_not_after_timestamp_seconds',
    help: "When the boundary's CA certificate ends, in seconds since 1970.",
    registers,
    collect() {
      this.set(facts().notAfter.getTime() / 1000);
    },
  });
}
