import type { Container } from 'dockerode';
import { getFile } from './archive.ts';
import { engineMessage } from './container-error.ts';
import { AUDIT_PATH } from './parts.ts';

/**
 * Copies a sidecar's audit log out of it, the files that were set aside (`audit.jsonl.1`, ...) too.
 * @param to a file that does not exist yet
 * @returns null, or why the copy is not whole
 */
export async function collectAudit(sidecar: Container, to: string): Promise<string | null> {
  try {
    if (!(await getFile(sidecar, AUDIT_PATH, to))) return 'the sidecar wrote none';
    for (let index = 1; await getFile(sidecar, `${AUDIT_PATH}.${index}`, `${to}.${index}`); index++);
    return null;
  } catch (error) {
    return engineMessage(error);
  }
}
