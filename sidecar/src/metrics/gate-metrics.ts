import { Counter, Gauge, type Registry } from 'prom-client';
import { finiteCounter } from './finite-counter.ts';
import type { DnsQuestionResult, GateMetrics } from './types.ts';

const questionResults: readonly DnsQuestionResult[] = ['answered', 'empty', 'refused', 'malformed', 'full'];

/**
 * What the gate and the DNS behind it do. A boundary without a gate has none of these series: they are registered by
 * the first call, and from then on all of them are there.
 */
export function createGateMetrics(registry: Registry): GateMetrics {
  const registers = [registry];
  let connected = false;
  let handovers = 0;
  let countQuestion: ((result: DnsQuestionResult, count: number) => void) | null = null;
  const register = (): typeof countQuestion => {
    if (countQuestion !== null) return countQuestion;
    new Gauge({
      name: 'boundary_gate_connected',
      help: "Whether the sidecar holds the gate's sockets: 1, or 0.",
      registers,
      collect() {
        this.set(connected ? 1 : 0);
      },
    });
    new Counter({
      name: 'boundary_gate_handovers_total',
      help: 'How often the gate handed its sockets over.',
      registers,
      collect() {
        this.reset();
        this.inc(handovers);
      },
    });
    countQuestion = finiteCounter(
      'boundary_dns_questions_total',
      'DNS questions of the workspace by result.',
      {
        registers,
        label: 'result',
        values: questionResults,
      },
    );
    return countQuestion;
  };
  return {
    gateConnected(state) {
      register();
      connected = state;
    },
    gateHandover() {
      register();
      handovers++;
    },
    dnsQuestion: (result) => register()?.(result, 1),
  };
}

/** Registers how many names have an address of their own now; `names` is asked when metrics are scraped. */
export function registerDnsNames(registry: Registry, names: () => number): void {
  new Gauge({
    name: 'boundary_dns_names',
    help: 'Names that have an address of their own in the workspace now.',
    registers: [registry],
    collect() {
      this.set(names());
    },
  });
}
