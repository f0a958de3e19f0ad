/**
 * The shell script that starts boundary: it works from any directory and through symbolic links, and runs the Node
 * that was installed beside it, whatever the machine has.
 *
 * V8's young generation is held small: the octets of bodies lie outside its heap and are let go when it is collected,
 * so that a large one would keep some 90 MiB of them while a single body passes.
 *
 * @param node path of the Node binary, relative to the directory above bin/
 * @param entry path of the bundle, relative to the directory above bin/
 */
export function launcherScript(node: string, entry: string): string {
  return `#!/bin/sh
self=$(readlink -f -- "$0") || exit 126
root=\${self%/bin/*}
if [ ! -x "$root/${node}" ]; then
  echo "boundary: its runtime is missing: expected an executable at $root/${node}. Install boundary again." >&2
  exit 126
fi
if [ -z "$(pwd -P 2>/dev/null)" ]; then
  echo "boundary: the current directory is gone. Change to one that exists, and run this again." >&2
  exit 125
fi
exec "$root/${node}" --max-semi-space-size=2 "$root/${entry}" "$@"
`;
}
