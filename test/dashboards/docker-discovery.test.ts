import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { docker, removeFromEngine } from '../harness/docker-cli.ts';
import { ensureBoundaryImage } from '../setup/boundary-image.ts';
import { ensureEngine } from '../setup/docker-engine.ts';
import { type ScrapeJob, startPrometheus, until } from './prometheus-under-test.ts';

/** Looks at the engine more often than every quarter of a minute. */
function eager(job: ScrapeJob): ScrapeJob {
  const docker_sd_configs = job.docker_sd_configs?.map((one) => ({ ...one, refresh_interval: '1s' }));
  return docker_sd_configs === undefined ? job : { ...job, docker_sd_configs };
}

describe('sidecars are found on a Docker host', () => {
  const run = `boundary-test-${randomBytes(4).toString('hex')}`;
  const network = `${run}-metrics`;
  const egress = `${run}-egress`;
  const workspace = `${run}-workspace`;
  const names = { sidecar: `${run}-sidecar`, shut: `${run}-shut`, gate: `${run}-gate` };

  let engine = '';

  before(async () => {
    engine = await ensureEngine();
    const image = await ensureBoundaryImage();
    for (const name of [network, egress]) await docker(['network', 'create', name]);
    // As the module makes them: with a way out of its own and a label for each part.
    const start = (name: string, part: string, ...flags: readonly string[]) =>
      docker([
        ...['run', '--detach', '--name', name, '--network', egress, '--tmpfs', '/tmp'],
        ...['--label', `boundary.part=${part}`, '--label', `coder.workspace_name=${workspace}`],
        ...['--label', 'coder.owner=alice', ...flags, image, 'sidecar'],
      ]);
    const open = ['--env', 'BOUNDARY_METRICS=0.0.0.0:9464'];
    await start(names.sidecar, 'sidecar', ...open, '--publish', '127.0.0.1::9464');
    await docker(['network', 'connect', network, names.sidecar]);
    // One that shows its metrics to nobody, and one that is no sidecar.
    await start(names.shut, 'sidecar');
    await start(names.gate, 'gate', ...open, '--publish', '127.0.0.1::9464');
    await docker(['network', 'connect', network, names.gate]);
  });
  after(() => removeFromEngine({ containers: Object.values(names), networks: [network, egress] }));

  const ours = `up{workspace="${workspace}"}`;
  const found = [{ __name__: 'up', job: 'boundary', instance: names.sidecar, owner: 'alice', workspace }];

  it('by the network that they share with Prometheus', async (context) => {
    context.diagnostic(`Docker engine ${engine}`);
    await using prometheus = await startPrometheus('prometheus-docker.yml', (job) => ({
      ...eager(job),
      relabel_configs: (job.relabel_configs ?? []).map((rule) =>
        rule.regex === 'boundary-metrics' ? { ...rule, regex: network } : rule,
      ),
    }));
    const up = await until(
      'up',
      () => prometheus.query(ours),
      (series) => series.some(({ values }) => values.includes(1)),
    );
    assert.deepEqual(
      up.map(({ labels }) => labels),
      found,
    );
    const info = await prometheus.query(`boundary_build_info{owner="alice", workspace="${workspace}"}`);
    assert.equal(info.length, 1);
  });

  it('by the port that they publish on the loopback of the host, once each', async () => {
    await using prometheus = await startPrometheus('prometheus-docker-host.yml', eager);
    const up = await until(
      'up',
      () => prometheus.query(ours),
      (series) => series.some(({ values }) => values.includes(1)),
    );
    assert.deepEqual(
      up.map(({ labels }) => labels),
      found,
    );
  });
});
