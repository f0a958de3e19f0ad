import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Rule } from '../policy/types.ts';
import { createMetrics } from './create-metrics.ts';
import { DecisionCounts } from './decision-counts.ts';

function ruleOf(line: number, file = 'boundary.yaml'): Rule {
  return { id: line, effect: 'allow', spec: {}, file, line, column: 1, label: `${file}:${line}` };
}

/** The value of the series that begins with `series`. */
function sampleOf(text: string, series: string): number {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  assert.ok(line !== undefined, `${series} is not in\n${text}`);
  return Number(line.slice(series.length + 1));
}

test('every call of the data path is seen under its documented name', async () => {
  const { metrics, registry, watchCertificates, watchDnsNames } = createMetrics({ version: '1.2.3' });
  metrics.decision('deny', 'https', 'GET', ruleOf(3));
  metrics.decision('allow', 'tcp', null, null);
  metrics.decision('allow', 'http', 'BREW', null);
  metrics.decisionTime(2e-6);
  metrics.connectTime(0.02);
  metrics.firstByteTime(0.1);
  metrics.totalTime(700);
  metrics.totalTime(Number.NaN);
  metrics.bytes('in', 7);
  metrics.bytes('out', 11);
  metrics.upstreamError('certificate');
  metrics.connectionOpened('client');
  metrics.connectionOpened('client');
  metrics.connectionClosed('client');
  metrics.dnsLookup('hit', 0);
  metrics.dnsLookup('ok', 0.3);
  metrics.policyLoaded('old', 9, 'audit');
  metrics.policyLoaded('abc', 2, 'enforce');
  metrics.policyReload('refused');
  metrics.auditSink('file', ['queue-full', 'closed']);
  metrics.auditWritten('file', 5);
  metrics.auditDropped('file', 'queue-full', 4);
  metrics.gateConnected(true);
  metrics.gateHandover();
  metrics.dnsQuestion('refused');
  metrics.doctorFindings({ docker_socket: true, vsock: false });
  watchDnsNames(() => 12);
  watchCertificates(() => ({ minted: 3, cached: 2, notAfter: new Date(5000) }));
  const text = await registry.render();
  for (const [series, value] of [
    ['boundary_decisions_total{verdict="deny",protocol="https",method="GET",rule="boundary.yaml:3"}', 1],
    ['boundary_decisions_total{verdict="allow",protocol="tcp",method="none",rule="none"}', 1],
    ['boundary_decisions_total{verdict="allow",protocol="http",method="OTHER",rule="none"}', 1],
    ['boundary_decision_seconds_bucket{le="0.000001"}', 0],
    ['boundary_decision_seconds_bucket{le="0.0000025"}', 1],
    ['boundary_connect_seconds_bucket{le="0.01"}', 0],
    ['boundary_connect_seconds_bucket{le="0.025"}', 1],
    ['boundary_first_byte_seconds_bucket{le="0.1"}', 1],
    ['boundary_request_seconds_bucket{le="600"}', 0],
    ['boundary_request_seconds_bucket{le="+Inf"}', 1],
    ['boundary_request_seconds_sum', 700],
    ['boundary_request_seconds_count', 1],
    ['boundary_bytes_total{direction="in"}', 7],
    ['boundary_bytes_total{direction="out"}', 11],
    ['boundary_upstream_errors_total{kind="certificate"}', 1],
    ['boundary_upstream_errors_total{kind="reset"}', 0],
    ['boundary_connections{kind="client"}', 1],
    ['boundary_dns_lookups_total{result="hit"}', 1],
    ['boundary_dns_lookup_seconds_count', 1],
    ['boundary_policy_info{hash="abc",mode="enforce"}', 1],
    ['boundary_policy_rules', 2],
    ['boundary_policy_reloads_total{result="refused"}', 1],
    ['boundary_audit_written_total{sink="file"}', 5],
    ['boundary_audit_dropped_total{sink="file",reason="queue-full"}', 4],
    ['boundary_audit_dropped_total{sink="file",reason="closed"}', 0],
    ['boundary_verdicts_total{verdict="deny"}', 1],
    ['boundary_verdicts_total{verdict="allow"}', 2],
    ['boundary_verdicts_total{verdict="would-deny"}', 0],
    ['boundary_gate_connected', 1],
    ['boundary_gate_handovers_total', 1],
    ['boundary_dns_questions_total{result="refused"}', 1],
    ['boundary_dns_questions_total{result="answered"}', 0],
    ['boundary_dns_names', 12],
    ['boundary_doctor_finding{check="docker_socket"}', 1],
    ['boundary_doctor_finding{check="vsock"}', 0],
    [`boundary_build_info{version="1.2.3",node="${process.versions.node}"}`, 1],
    ['boundary_certificates_minted_total', 3],
    ['boundary_certificates_cached', 2],
    ['boundary_ca_not_after_timestamp_seconds', 5],
  ] as const) {
    assert.equal(sampleOf(text, series), value, series);
  }
  assert.ok(!text.includes('hash="old"'));
  assert.ok(sampleOf(text, 'process_open_fds') > 0);
  assert.ok(sampleOf(text, 'process_max_fds') > 0);
  assert.ok(sampleOf(text, 'process_cpu_seconds_total') > 0);
  assert.match(registry.contentType, /^text\/plain; version=0\.0\.4/);
});

test('without a gate, a report of the workspace and a certificate authority their series are absent', async () => {
  const text = await createMetrics().registry.render();
  assert.doesNotMatch(text, /boundary_(gate|dns_questions|dns_names|doctor|ca|certificates|build)/);
});

test('the first call about a gate brings all of its series', async () => {
  for (const call of ['gateConnected', 'gateHandover', 'dnsQuestion'] as const) {
    const { metrics, registry } = createMetrics();
    if (call === 'gateConnected') metrics.gateConnected(false);
    else if (call === 'gateHandover') metrics.gateHandover();
    else metrics.dnsQuestion('empty');
    const text = await registry.render();
    assert.equal(sampleOf(text, 'boundary_gate_connected'), 0, call);
    assert.equal(sampleOf(text, 'boundary_gate_handovers_total'), call === 'gateHandover' ? 1 : 0);
    assert.equal(sampleOf(text, 'boundary_dns_questions_total{result="full"}'), 0);
    assert.equal(
      sampleOf(text, 'boundary_dns_questions_total{result="empty"}'),
      call === 'dnsQuestion' ? 1 : 0,
    );
  }
});

test('a report of the workspace replaces the one before, and only known checks become series', async () => {
  const { metrics, registry } = createMetrics();
  const before = Date.now() / 1000;
  const report = JSON.parse('{"docker_socket":true,"__proto__":true,"rm -rf":true,"vsock":"yes"}') as Record<
    string,
    boolean
  >;
  metrics.doctorFindings(report);
  const first = await registry.render();
  assert.deepEqual(first.match(/^boundary_doctor_finding\{.*/gm), [
    'boundary_doctor_finding{check="docker_socket"} 1',
  ]);
  assert.ok(sampleOf(first, 'boundary_doctor_reported_timestamp_seconds') >= before);
  report.docker_socket = false;
  assert.match(await registry.render(), /check="docker_socket"\} 1/);
  metrics.doctorFindings({ capabilities: false });
  assert.deepEqual((await registry.render()).match(/^boundary_doctor_finding\{.*/gm), [
    'boundary_doctor_finding{check="capabilities"} 0',
  ]);
});

test('the text keeps to the exposition format', async () => {
  const { metrics, registry } = createMetrics();
  metrics.decision('deny', 'https', 'GET', ruleOf(3, 'a "b"\\c\nd'));
  metrics.decisionTime(1e-7);
  const text = await registry.render();
  const sample = /^[a-z_][a-z0-9_]*(\{([a-z]+="(\\["\\n]|[^"\\\n])*",?)*\})? [-+0-9.e]+$/i;
  const seen = new Set<string>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ') || line.startsWith('# TYPE ')) continue;
    assert.match(line, sample);
    const series = line.slice(0, line.lastIndexOf(' '));
    assert.ok(!seen.has(series), `${series} appears twice`);
    seen.add(series);
  }
});

test('100,000 rules and methods leave a finite number of series, the most used by name', async () => {
  const { metrics, registry } = createMetrics();
  for (let line = 1; line <= 100_000; line++)
    metrics.decision('allow', 'https', `METHOD${line}`, ruleOf(line));
  const favourites = Array.from({ length: 500 }, (_, index) => ruleOf(50_000 + index));
  for (const rule of favourites) metrics.decision('allow', 'https', 'GET', rule);
  const series = (await registry.render())
    .split('\n')
    .filter((line) => line.startsWith('boundary_decisions_total{'));
  assert.equal(series.length, 1 + 500 * 2);
  for (const { label } of favourites) assert.ok(series.some((line) => line.includes(`rule="${label}"`)));
  assert.ok(series.some((line) => line.endsWith('method="OTHER",rule="other"} 99500')));
});

test('no series ever goes down and no decision is lost, whatever is named when', () => {
  const step = fc.oneof(
    fc.record({
      line: fc.option(fc.integer({ min: 1, max: 12 })),
      method: fc.constantFrom('GET', 'PUT', null),
    }),
    fc.constantFrom('read' as const, 'reload' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const counts = new DecisionCounts(4);
      let before = new Map<string, number>();
      let rules = Array.from({ length: 13 }, (_, line) => ruleOf(line));
      let made = 0;
      for (const action of [...steps, 'read' as const]) {
        if (action === 'reload') {
          counts.fold();
          rules = rules.map((rule) => ({ ...rule }));
        } else if (action === 'read') {
          const now = new Map(
            [...counts.series()].map(({ labels, value }) => [JSON.stringify(labels), value]),
          );
          for (const [labels, value] of before) assert.ok((now.get(labels) ?? 0) >= value, labels);
          assert.equal(
            [...now.values()].reduce((sum, value) => sum + value, 0),
            made,
          );
          const names = new Set([...counts.series()].map(({ labels }) => labels.rule));
          assert.ok(names.size <= 4 + 2);
          before = now;
        } else {
          made++;
          counts.count(
            'allow',
            'https',
            action.method,
            action.line === null ? null : (rules[action.line] ?? null),
          );
        }
      }
    }),
  );
});
