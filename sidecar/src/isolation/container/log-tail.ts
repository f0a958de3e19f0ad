import type { Container } from 'dockerode';
import { frames } from './frames.ts';

/** How many lines of a part's output are shown with a fault. */
const MOST_LINES = 20;

/** The last lines that a container without a terminal wrote, on either stream; empty where the engine has none. */
export async function logTail(container: Container): Promise<string> {
  try {
    const log = await container.logs({ follow: false, stdout: true, stderr: true, tail: MOST_LINES });
    const parts = [...frames([log])].map(({ bytes }) => bytes);
    return Buffer.concat(parts).toString().trimEnd();
  } catch {
    return '';
  }
}
