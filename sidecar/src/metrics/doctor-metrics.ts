import { Gauge, type Registry } from 'prom-client';

/** What `boundary doctor` looks for inside a workspace. */
export const doctorChecks = [
  'docker_socket',
  'extra_interfaces',
  'capabilities',
  'new_privileges',
  'trust_bundle',
  'file_transfer',
  'port_forwarding',
  'vsock',
] as const;
export type DoctorCheck = (typeof doctorChecks)[number];

/**
 * What the workspace last said of itself. No series before the first report; a report replaces the one before it, and a
 * check that it does not hold is unknown from then on. Names that are no check are left out.
 */
export function createDoctorMetrics(
  registry: Registry,
): (findings: Readonly<Record<string, boolean>>) => void {
  const registers = [registry];
  let latest: { readonly findings: Readonly<Record<string, boolean>>; readonly at: number } | null = null;
  const register = (): void => {
    new Gauge({
      name: 'boundary_doctor_finding',
      help: 'What the last report of the workspace found missing or open (1), or in order (0).',
      labelNames: ['check'],
      registers,
      collect() {
        this.reset();
        for (const check of doctorChecks) {
          const found = latest?.findings[check];
          if (typeof found === 'boolean') this.set({ check }, found ? 1 : 0);
        }
      },
    });
    new Gauge({
      name: 'boundary_doctor_reported_timestamp_seconds',
      help: 'When the workspace last reported on itself, in seconds since 1970.',
      registers,
      collect() {
        if (latest !== null) this.set(latest.at);
      },
    });
  };
  return (findings) => {
    if (latest === null) register();
    latest = { findings: { ...findings }, at: Date.now() / 1000 };
  };
}
