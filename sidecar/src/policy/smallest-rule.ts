import type { Target } from '../target/types.ts';

/**
 * The smallest rule about a target, as one line of YAML (flow style) that can be pasted into `allow` or `deny`.
 * With `whole`, the method and path are left out: what a person would rather ask for.
 */
export function ruleText(target: Target, whole = false): string {
  const keys = [
    target.hostKind === 'name'
      ? `domain: ${target.host}`
      : `cidr: "${target.host}/${target.hostKind === 'ipv4' ? 32 : 128}"`,
  ];
  if (target.kind === 'tunnel') {
    keys.push(...(whole && target.protocol === 'tls' ? portKey(target.port) : [`port: ${target.port}`]));
    if (target.protocol === 'tcp') keys.push('protocol: tcp');
    else if (!whole) keys.push('protocol: https');
  } else {
    keys.push(...(whole ? portKey(target.port) : [`port: ${target.port}`]));
    if (!whole) {
      if (target.scheme === 'https') keys.push('protocol: https');
      keys.push(`methods: [${[...new Set([target.method, ...target.overrides])].join(', ')}]`);
      // A star in a request is text, in a rule a wildcard: such a path cannot be written down exactly.
      if (!target.path.includes('*')) keys.push(`path: ${JSON.stringify(target.path)}`);
    }
    if (target.upgrade !== null && target.upgrade !== 'websocket') {
      keys.push(`upgrade: [${JSON.stringify(target.upgrade)}]`);
    }
  }
  return `{ ${keys.join(', ')} }`;
}

function portKey(port: number): string[] {
  return port === 80 || port === 443 ? [] : [`port: ${port}`];
}
