/**
 * A module registry on loopback that serves the stand-ins of test/terraform/registry-modules, so that templates with
 * modules of registry.coder.com can be planned where that registry cannot be reached.
 * The protocol: https://developer.hashicorp.com/terraform/internals/module-registry-protocol
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

const MODULES = join(import.meta.dirname, '../terraform/registry-modules');
/** The registry that the stand-ins belong to, and the namespace and target that all of them have. */
const REGISTRY = 'registry.coder.com';
const NAMESPACE = 'coder';
const TARGET = 'coder';

export interface ModuleRegistry {
  /** A block for a Terraform CLI configuration that sends this registry's modules here. */
  readonly hostBlock: string;
  close(): void;
}

/** Name and version of each stand-in; the version stands in its first line. */
function standIns(): Map<string, string> {
  const names = readdirSync(MODULES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return new Map(
    names.map(({ name }) => {
      const file = join(MODULES, name, 'main.tf');
      const [, version] = /^# version: (\S+)$/m.exec(readFileSync(file, 'utf8')) ?? [];
      if (version === undefined) throw new Error(`${file}: expected a first line "# version: X.Y.Z"`);
      return [name, version];
    }),
  );
}

/** Serves them until it is closed. */
export async function serveModules(): Promise<ModuleRegistry> {
  const versions = standIns();
  const server = createServer((request, response) => {
    const [, namespace, name = '', target, ...rest] = (request.url ?? '').split('?')[0]?.split('/') ?? [];
    const version = versions.get(name);
    if (namespace !== NAMESPACE || target !== TARGET || version === undefined) {
      response.writeHead(404).end(JSON.stringify({ errors: [`there is no stand-in for ${request.url}`] }));
    } else if (rest.join('/') === 'versions') {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ modules: [{ versions: [{ version }] }] }));
    } else if (rest.join('/') === `${version}/download`) {
      response.writeHead(204, { 'X-Terraform-Get': '../module.tar.gz' }).end();
    } else if (rest.join('/') === 'module.tar.gz') {
      response.end(execFileSync('tar', ['-cz', '-C', join(MODULES, name), '.']));
    } else {
      response.writeHead(404).end(JSON.stringify({ errors: [`the stand-in for ${name} is ${version}`] }));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    hostBlock: `host "${REGISTRY}" {\n  services = { "modules.v1" = "${url}" }\n}\n`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
