import { createHash } from 'node:crypto';
import { ensureWorkspaceImage } from '../setup/workspace-image.ts';
import { docker } from './docker-cli.ts';

/**
 * The tests' workspace image with one CA more among the system's roots, as a company builds its own: the agent verifies
 * the deployment's certificate with what the image has. Built in a second or two.
 *
 * @returns its name, for the caller to remove
 */
export async function buildTrustingImage(caPem: string): Promise<string> {
  const base = await ensureWorkspaceImage();
  const digest = createHash('sha256').update(caPem).digest('hex').slice(0, 12);
  const image = `boundary-test-workspace:ca-${digest}`;
  const encoded = Buffer.from(caPem).toString('base64');
  const file = '/usr/local/share/ca-certificates/deployment.crt';
  const recipe = `FROM ${base}
USER root
RUN echo ${encoded} | base64 -d >${file} && update-ca-certificates
USER coder
`;
  await docker(['build', '--quiet', '--tag', image, '-'], recipe);
  return image;
}
