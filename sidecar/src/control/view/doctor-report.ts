import { type DoctorCheck, doctorChecks } from '../../metrics/doctor-metrics.ts';

/** true: found missing or open. A check that was not made is left out. */
export type DoctorFindings = Readonly<Partial<Record<DoctorCheck, boolean>>>;

/** What a finding means, for people. */
export const findingTexts: Readonly<Record<DoctorCheck, string>> = {
  docker_socket:
    'A Docker socket can be reached from the workspace. Who can use it can start containers outside of the boundary.',
  extra_interfaces: 'The workspace has a network interface besides loopback, which no policy guards.',
  capabilities: 'Processes of the workspace hold capabilities that help to leave a container.',
  new_privileges: 'Programs of the workspace may gain privileges when they start (no_new_privs is not set).',
  trust_bundle:
    'The trust bundle is missing or incomplete. Clients will not trust the certificates that the boundary shows.',
  file_transfer: "Coder's own file transfer (scp, sftp) is open around the boundary.",
  port_forwarding: "Coder's own port forwarding is open around the boundary.",
  vsock: 'AF_VSOCK sockets can be opened: the seccomp profile in use does not forbid them.',
};

/**
 * Reads the body of a report, `{"findings": {"CHECK": true|false, ...}}`.
 * @returns the findings, or a sentence that says what is wrong
 */
export function readDoctorReport(body: unknown): DoctorFindings | string {
  const expected = 'Send {"findings": {"CHECK": true or false, ...}}, where true is found missing or open.';
  if (!isRecord(body)) return `The body is no JSON object. ${expected}`;
  const surplus = Object.keys(body).find((key) => key !== 'findings');
  if (surplus !== undefined)
    return `The body has a key ${JSON.stringify(surplus.slice(0, 40))}, which means nothing. ${expected}`;
  if (!isRecord(body.findings)) return `"findings" is no JSON object. ${expected}`;
  const findings: Partial<Record<DoctorCheck, boolean>> = {};
  for (const [name, found] of Object.entries(body.findings)) {
    const check = doctorChecks.find((known) => known === name);
    if (check === undefined) {
      return `There is no check ${JSON.stringify(name.slice(0, 40))}. There is: ${doctorChecks.join(', ')}.`;
    }
    if (typeof found !== 'boolean') return `The finding of ${check} is neither true nor false. ${expected}`;
    findings[check] = found;
  }
  return findings;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
