/**
 * Why a command could not be run in containers, told to the person as it stands: what was found, what was expected,
 * what to do.
 */
export class ContainerError extends Error {
  override readonly name = 'ContainerError';
}

/** The engine's own words for a refused request, on one line, or the message of whatever else was thrown. */
export function engineMessage(error: unknown): string {
  if (error instanceof Error && 'json' in error) {
    const { json } = error;
    if (typeof json === 'object' && json !== null && 'message' in json && typeof json.message === 'string') {
      return json.message.trim().replaceAll(/\s*\n\s*/g, ' ');
    }
  }
  return (error instanceof Error ? error.message : String(error)).trim().replaceAll(/\s*\n\s*/g, ' ');
}

/** The HTTP status with which the engine refused a request, or undefined where it was not the engine that did. */
export function engineStatus(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}
