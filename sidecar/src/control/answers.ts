import type { ErrorRequestHandler, RequestHandler } from 'express';

/** Said of every answer of a listener for people and tools: it is of the moment, and what it says it is. */
export const answerHeaders: RequestHandler = (_request, response, next) => {
  response.set({ 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' });
  next();
};

/** Four parameters make it an error handler. A fault of ours is named by its class alone: messages may hold secrets. */
export const reportError: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) {
    next(error);
    return;
  }
  if (error instanceof URIError) {
    response.status(400).json({ error: 'The path holds a malformed percent escape.' });
    return;
  }
  if (isBodyFault(error)) {
    const found = error.status === 413 ? 'too large' : 'not what was expected';
    response.status(error.status).json({ error: `The body is ${found} (${error.type}). Expected JSON.` });
    return;
  }
  const name = error instanceof Error ? error.name : typeof error;
  response.status(500).json({ error: `The control plane failed (${name}). This is a fault of boundary.` });
};

/** What body-parser throws for a body that it does not take. */
function isBodyFault(error: unknown): error is { readonly status: number; readonly type: string } {
  if (!(error instanceof Error) || !('status' in error) || !('type' in error)) return false;
  return typeof error.status === 'number' && error.status < 500 && typeof error.type === 'string';
}
