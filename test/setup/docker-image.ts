import { spawnSync } from 'node:child_process';

/**
 * One label of an image on this machine.
 *
 * @returns '' when the image has no such label, null when there is no such image
 */
export function imageLabel(image: string, label: string): string | null {
  const format = `{{with index .Config.Labels "${label}"}}{{.}}{{end}}`;
  const result = spawnSync('docker', ['image', 'inspect', '--format', format, image], { encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim() : null;
}

/** The id of an image on this machine, null when it is not there. */
export function imageId(image: string): string | null {
  const result = spawnSync('docker', ['image', 'inspect', '--format', '{{.Id}}', image], {
    encoding: 'utf8',
  });
  return result.status === 0 ? result.stdout.trim() : null;
}
