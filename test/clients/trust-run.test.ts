import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { allowing, auditLine, behindBoundary, startSite, told } from '../harness/behind-boundary.ts';

// The other clients here each have a file; trust.test.ts tries the environment alone with many more.

const JAVA = `import java.net.URI;
class Ask {
  public static void main(String[] arguments) throws Exception {
    System.out.write(URI.create(arguments[0]).toURL().openConnection().getInputStream().readAllBytes());
    System.out.flush();
  }
}`;

const TOOLS = [
  {
    name: 'openssl',
    script:
      'printf "GET /open HTTP/1.1\\r\\nHost: $AUTHORITY\\r\\nConnection: close\\r\\n\\r\\n" | openssl s_client -quiet -verify_return_error -proxy "$(echo $HTTPS_PROXY | cut -c8-)" -connect "$AUTHORITY" -servername "$NAME"',
  },
  {
    name: 'perl',
    script:
      'perl -MLWP::UserAgent -e \'my $a = LWP::UserAgent->new; $a->env_proxy; print $a->get($ARGV[0])->content\' "$URL"',
    probe: 'perl -MLWP::Protocol::https -e 1',
  },
  { name: 'java', script: 'printf %s "$JAVA" > Ask.java && java Ask.java "$URL"' },
] as const;

const runs = (script: string) => {
  try {
    execFileSync('sh', ['-c', script], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

for (const tool of TOOLS) {
  if (!runs('probe' in tool ? tool.probe : `command -v ${tool.name}`)) continue;
  test(`${tool.name} gets through opened TLS by the environment of the command alone`, async () => {
    await using site = await startSite();
    const env = {
      URL: `${site.origin}/open`,
      AUTHORITY: site.authority,
      NAME: site.name,
      JAVA,
    };
    const result = await behindBoundary(
      { policy: allowing(`${site.rule}\n    path: /open`), env },
      'sh',
      '-c',
      tool.script,
    );
    assert.match(result.stdout, /GET \/open 0/, told(result));
    auditLine(result, { verdict: 'allow', url: `${site.origin}/open`, status: 200 });
  });
}
