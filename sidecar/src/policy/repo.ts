import type { HttpTarget } from '../target/types.ts';
import { pathMatches } from './path-match.ts';
import type { RuleSpec } from './types.ts';

type Repo = NonNullable<RuleSpec['repos']>[number];

/**
 * Requests of git over https (gitprotocol-http) and of Git LFS (its docs/api), below the repository's own path.
 * `{id}` is one segment. What is transferred elsewhere (objects behind signed links) needs rules of its own.
 */
const READ = [
  'GET /info/refs',
  'POST /git-upload-pack',
  'POST /info/lfs/objects/batch',
  'GET /info/lfs/locks',
  'GET /info/lfs/objects/{id}',
  'GET /info/lfs/objects/{id}/{id}',
  'GET /gitlab-lfs/objects/{id}/{id}',
];
const WRITE = [
  'POST /git-receive-pack',
  'PUT /info/lfs/objects/{id}',
  'PUT /info/lfs/objects/{id}/{id}',
  'PUT /gitlab-lfs/objects/{id}/{id}',
  'POST /info/lfs/verify',
  'POST /info/lfs/objects/verify',
  'POST /info/lfs/locks',
  'POST /info/lfs/locks/verify',
  'POST /info/lfs/locks/{id}/unlock',
];
const endpoints = { read: READ.map(endpoint), write: [...READ, ...WRITE].map(endpoint) };

/** Paths of the policy's form that hold every git endpoint of a repository, for the index. */
export function repoPaths({ owner, name }: Repo): string[] {
  const paths = [`/${owner}/${name}/*`];
  if (name !== '*' && !name.endsWith('.git')) paths.push(`/${owner}/${name}.git/*`);
  return paths;
}

/** Paths of the policy's form for everything at or below a repository, for deny rules. */
export function repoTree(repo: Repo): string[] {
  return repoPaths(repo).flatMap((below) => [below.slice(0, -2), below]);
}

/**
 * True where a request is one of the git endpoints that `access` opens. `info/refs` announces in its query alone
 * whether a fetch or a push follows, so its query has to be exactly the one git writes.
 */
export function isGitRequest(repo: Repo, access: 'read' | 'write', target: HttpTarget): boolean {
  if (target.host !== repo.host) return false;
  if (!repoPaths(repo).some((pattern) => pathMatches(pattern, target.path))) return false;
  // The first two segments are owner and name.
  const below = target.path.slice(target.path.indexOf('/', target.path.indexOf('/', 1) + 1));
  if (below === '/info/refs') {
    const service = target.query === '?service=git-receive-pack' ? 'write' : 'read';
    if (service === 'write' && access === 'read') return false;
    if (service === 'read' && target.query !== '?service=git-upload-pack') return false;
  }
  return endpoints[access].some(({ method, pattern }) => method === target.method && pattern.test(below));
}

function endpoint(line: string): { readonly method: string; readonly pattern: RegExp } {
  const [method = '', path = ''] = line.split(' ');
  return { method, pattern: new RegExp(`^${path.replaceAll('{id}', '[^/]+')}$`) };
}
