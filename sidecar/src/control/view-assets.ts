import { readFileSync } from 'node:fs';

/** A file of the page, as it is served. */
export interface ViewAsset {
  readonly type: string;
  readonly body: Buffer;
}

const types: Readonly<Record<string, string>> = {
  'view.css': 'text/css; charset=utf-8',
  'view.js': 'text/javascript; charset=utf-8',
  'decision-list.js': 'text/javascript; charset=utf-8',
  'event-feed.js': 'text/javascript; charset=utf-8',
  'page-parts.js': 'text/javascript; charset=utf-8',
  'wording.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
};

/** Reads the files of the page, which ship beside the program. By name; there are no others. */
export function readViewAssets(): ReadonlyMap<string, ViewAsset> {
  // This file lies at the depth of the bundle, so that the address is right in both.
  const directory = new URL('../../view/', import.meta.url);
  return new Map(
    Object.entries(types).map(([name, type]) => [
      name,
      { type, body: readFileSync(new URL(name, directory)) },
    ]),
  );
}
