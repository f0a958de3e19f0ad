#!/bin/sh
# Installs what package-lock.json pins, unless exactly that is installed already. Compared by content, since a fresh
# clone's file times say nothing. The only step that needs a Node of the machine; all else runs on the pinned one.
set -eu
cd "$(dirname "$0")/.."

stamp=node_modules/.installed-lock
wanted=$(sha256sum package-lock.json)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  exit 0
fi

if ! command -v npm >/dev/null 2>&1; then
  echo "make: npm was not found. Install Node 20 or newer with npm (Debian: apt-get install npm) and run this again." >&2
  exit 1
fi
echo "make: installing the pinned dependencies (npm ci)"
npm ci --no-fund --no-audit --loglevel=error
echo "$wanted" >"$stamp"
