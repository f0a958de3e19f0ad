/**
 * A start script in the shape of the Coder agent's own: it fetches the agent from the deployment, again and again until
 * that works, and becomes it. Coder's provider puts the deployment's URL, with a slash at its end, where the template's
 * entry point has `${ACCESS_URL}`. Coder's own script also tries wget and busybox, and waits longer between attempts.
 */
export const AGENT_BOOTSTRAP = `#!/usr/bin/env sh
set -eu
directory=$(mktemp -d)
cd "$directory"
until curl -fsSL --compressed "\${ACCESS_URL}bin/coder-linux-amd64" -o coder; do
  echo "the agent could not be fetched; again in a second" >&2
  sleep 1
done
chmod +x coder
export CODER_AGENT_AUTH="\${AUTH_TYPE}"
export CODER_AGENT_URL="\${ACCESS_URL}"
exec ./coder agent
`;

/** The script as the workspace of a template gets it. */
export function bootstrapFor(accessUrl: string): string {
  return AGENT_BOOTSTRAP.replace(/\$\{ACCESS_URL\}/g, `${accessUrl}/`).replace(/\$\{AUTH_TYPE\}/g, 'token');
}
