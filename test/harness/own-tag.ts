import { randomUUID } from 'node:crypto';
import { ensureBoundaryImage } from '../setup/boundary-image.ts';
import { docker, removeFromEngine } from './docker-cli.ts';

/** A name for the boundary's image that no build moves meanwhile: a template notices when its image's name does. */
export async function ownTag(): Promise<{ readonly name: string; remove(): Promise<void> }> {
  const name = `boundary-test:${randomUUID()}`;
  await docker(['tag', await ensureBoundaryImage(), name]);
  return { name, remove: () => removeFromEngine({ images: [name] }) };
}
