import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { clientEnvironment } from '../../sidecar/src/cli/client-environment.ts';
import { VIEW_PORT } from '../../sidecar/src/isolation/gate/namespace-rules.ts';
import { doctorChecks } from '../../sidecar/src/metrics/doctor-metrics.ts';
import { coderEnvironment } from '../harness/coder-environment.ts';
import { localModule, moduleFiles, openTemplate, type Plan, type Template } from '../harness/template.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** No engine is there: what plans and tests with mocks asks none. */
const environment = {
  ...coderEnvironment({ workspaceId: '6a1f4f0e-53a0-4f2b-8f5e-0c5d3c1f2a02' }),
  DOCKER_HOST: 'unix:///nonexistent/docker.sock',
};

interface Diagnostic {
  readonly type: string;
  readonly diagnostic?: { readonly severity: string; readonly summary: string; readonly detail: string };
}

const lines = <T>(output: string): T[] =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as T);

describe('the module', () => {
  let module: Template;

  before(async () => {
    module = await openTemplate({
      source: ROOT,
      files: [...moduleFiles, 'test/terraform', 'examples/policies'],
      initArguments: ['-test-directory=test/terraform'],
      environment,
    });
  });
  after(() => module?.close());

  it('is valid', async () => {
    const { code, stdout } = await module.run('validate', '-json');
    assert.equal(code, 0, stdout);
    assert.deepEqual((JSON.parse(stdout) as { diagnostics: unknown[] }).diagnostics, []);
  });

  it('passes the runs of test/terraform/*.tftest.hcl', async () => {
    const { stdout } = await module.run('test', '-json', '-test-directory=test/terraform');
    const events = lines<{
      type: string;
      test_run?: { run: string; status?: string; progress: string };
      diagnostic?: { severity: string; summary: string; detail: string };
    }>(stdout);
    const faults = events.filter((event) => event.diagnostic?.severity === 'error');
    assert.deepEqual(
      faults.map(({ diagnostic }) => `${diagnostic?.summary}: ${diagnostic?.detail}`),
      [],
    );
    const runs = events.filter((event) => event.test_run?.progress === 'complete');
    const failed = runs.filter((event) => event.test_run?.status !== 'pass');
    assert.deepEqual(
      failed.map((event) => event.test_run?.run),
      [],
    );
    assert.ok(runs.length >= 50, `${runs.length} runs`);
    process.stderr.write(`terraform test: ${runs.length} runs pass\n`);
  });

  it('each validation is run once at least', () => {
    const variables = [...read('variables.tf').matchAll(/^variable "(\w+)" \{\n([\s\S]*?)^\}/gm)];
    const expected = variables.flatMap(([, name = '', body = '']) =>
      [...body.matchAll(/^ {2}validation \{/gm)].map(() => `var.${name}`),
    );
    const run = [...read('test/terraform/validations.tftest.hcl').matchAll(/expect_failures = \[(.+)\]/g)];
    assert.deepEqual(run.map(([, name]) => name).sort(), expected.sort());
  });

  it('every variable and output is described, and what refuses says what to do', () => {
    for (const file of ['variables.tf', 'outputs.tf']) {
      const blocks = [...read(file).matchAll(/^(?:variable|output) "(\w+)" \{\n([\s\S]*?)^\}/gm)];
      assert.ok(blocks.length > 10);
      for (const [, name = '', body = ''] of blocks)
        assert.match(body, /^ {2}description = ".{15,}"$/m, name);
    }
    const messages = [...read('variables.tf').matchAll(/error_message = "(.*)"$/gm)];
    for (const [, message = ''] of messages) {
      assert.match(
        message,
        /has to|Set|Leave|Write|Name|Keep|Rename|Begin|Give|may only|and must not/,
        message,
      );
    }
  });
});

describe('the module and the program', () => {
  let template: Template;
  let plan: Plan;

  before(async () => {
    template = await openTemplate({
      source: join(ROOT, 'examples/docker'),
      override: localModule(),
      environment,
    });
    plan = await template.plan();
  });
  after(() => template?.close());

  it('sets the variables that `boundary run` sets for a bundle', () => {
    const bundle = '/run/boundary/trust/bundle.pem';
    const ofRun = clientEnvironment({
      proxyUrl: 'http://127.0.0.1:1',
      bundlePath: bundle,
      caPath: '/run/boundary/trust/ca.pem',
      javaTrustStore: { path: '/run/boundary/trust/truststore.jks', password: 'changeit' },
      wgetConfigurationPath: '/run/boundary/trust/wgetrc',
      base: {},
    });
    const ofModule = new Map(
      plan.resource_changes
        .filter((change) => change.type === 'coder_env')
        .map(({ change }) => [change.after?.name as string, change.after?.value as string]),
    );
    const named = (value: string): boolean =>
      value.includes('/run/boundary/trust/') || value === 'system,mozilla';
    const expected = Object.entries(ofRun).filter(([, value]) => named(value));
    assert.ok(expected.length > 20);
    assert.deepEqual([...ofModule.keys()].sort(), expected.map(([name]) => name).sort());
    for (const [name, value] of expected) {
      // Java's also names the proxy there, which is not needed here.
      const own = value.split(' ').filter((part) => !/proxy/i.test(part));
      assert.equal(ofModule.get(name), own.join(' '), name);
    }
  });

  it('knows the keys at the top of a policy', () => {
    const schema = JSON.parse(read('sidecar/policy.schema.json')) as { properties: Record<string, unknown> };
    const [, listed = ''] = /policy_keys = \[([\s\S]*?)\]/.exec(read('main.tf')) ?? [];
    const keys = [...listed.matchAll(/"(\w+)"/g)].map(([, key]) => key);
    const enforceable = Object.keys(schema.properties).filter((key) => !['files', 'commands'].includes(key));
    assert.deepEqual(keys.sort(), enforceable.sort());
  });

  it('the app leads to the port at which the gate shows the view', () => {
    const app = plan.resource_changes.find(({ address }) => address === 'module.boundary.coder_app.view[0]');
    assert.equal(app?.change.after?.url, `http://localhost:${VIEW_PORT}`);
  });

  it('the doctor knows the checks that the sidecar takes', () => {
    const noted = [...read('scripts/doctor.sh').matchAll(/note (?:ok|found) (\w+)/g)].map(([, name]) => name);
    assert.deepEqual([...new Set(noted)].sort(), [...doctorChecks].sort());
  });

  it('what is no YAML is refused at plan time, with its line', async () => {
    const override = localModule(['policy_path = null', 'policy = "allow:\\n  - [github.com\\n"']);
    const broken = await openTemplate({ source: join(ROOT, 'examples/docker'), override, environment });
    try {
      const { code, stdout } = await broken.run('plan', '-json', '-input=false');
      assert.equal(code, 1);
      const told = lines<Diagnostic>(stdout).filter((event) => event.diagnostic?.severity === 'error');
      assert.match(
        told.map((event) => event.diagnostic?.detail).join('\n'),
        /yamldecode.*line \d+, column \d+/s,
      );
    } finally {
      broken.close();
    }
  });
});
