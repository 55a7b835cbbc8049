import { describe, expect, it } from 'vitest';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import { MetricsPush, type PushedMetrics } from '../../../src/telemetry/metrics-push.ts';
import { MetricTotals } from '../../../src/telemetry/totals.ts';

const route = { bind: 'b', gateway: 'g', listener: 'l', route: 'r', route_rule: 'rr' };

function pushOf(metrics: Metrics): PushedMetrics {
  let pushed: PushedMetrics = [];
  new MetricsPush(metrics, (deltas, transfer) => {
    pushed = structuredClone(deltas, { transfer });
  }).stop();
  return pushed;
}

describe('metric families', () => {
  it('are rendered as Prometheus text', async () => {
    const metrics = new Metrics();
    metrics.responseBytes.inc({ backend: 'back"end', ...route }, 5);
    metrics.upstreamConnect.observe({ transport: 'tcp' }, 0.003);
    metrics.upstreamConnect.observe({ transport: 'tcp' }, 100);
    metrics.downstreamOpen.set({ bind: '4000' }, 3);
    const text = await metrics.registry.metrics();
    expect(text).toContain(
      'agentgateway_response_bytes_total{backend="back\\"end",bind="b",gateway="g",listener="l",route="r",route_rule="rr"} 5\n',
    );
    expect(text).toContain('# TYPE agentgateway_upstream_connect_duration_seconds histogram');
    expect(text).toContain('agentgateway_upstream_connect_duration_seconds_bucket{le="0.002",transport="tcp"} 0\n');
    expect(text).toContain('agentgateway_upstream_connect_duration_seconds_bucket{le="0.004",transport="tcp"} 1\n');
    expect(text).toContain('agentgateway_upstream_connect_duration_seconds_bucket{le="8",transport="tcp"} 1\n');
    expect(text).toContain('agentgateway_upstream_connect_duration_seconds_bucket{le="+Inf",transport="tcp"} 2\n');
    expect(text).toContain('agentgateway_upstream_connect_duration_seconds_sum{transport="tcp"} 100.003\n');
    expect(text).toContain('agentgateway_upstream_connect_duration_seconds_count{transport="tcp"} 2\n');
    expect(text).toContain('agentgateway_downstream_connections_open{bind="4000"} 3\n');
  });

  it('give the same series for the same labels', () => {
    const { retries } = new Metrics();
    expect(retries.labels({ backend: 'x' })).toBe(retries.labels({ backend: 'x' }));
    expect(retries.labels({ backend: 'x' })).not.toBe(retries.labels({ route: 'x' }));
  });

  it('count what comes past their bound under `other`', async () => {
    const { dnsFailures } = new Metrics();
    for (let i = 0; i < 50_010; i++) dnsFailures.inc({ backend: String(i) });
    const { values } = await dnsFailures.get();
    expect(values).toHaveLength(50_001);
    expect(values.at(-1)).toEqual({ labels: { backend: 'other' }, value: 10 });
  });
});

describe('totals over threads', () => {
  it('add up what threads push, and push only what changed', async () => {
    const totals = new MetricTotals(new Metrics());
    const workers = [new Metrics(), new Metrics()].map((metrics) => ({ metrics, life: totals.life() }));
    for (let round = 1; round <= 3; round++) {
      for (const { metrics, life } of workers) {
        metrics.evictions.inc({ backend: 'a' }, 2);
        metrics.upstreamConnect.observe({ transport: 'tls' }, 0.5);
        if (round === 2) metrics.evictions.inc({ backend: 'b' });
        const push = pushOf(metrics);
        if (round === 3) expect(push.find((delta) => delta.name.includes('evictions'))?.values).toHaveLength(2);
        life.apply(push);
        expect(pushOf(metrics)).toEqual([]);
      }
    }
    const evictions = await totals.metrics.evictions.get();
    expect(evictions.values).toEqual([
      { labels: { backend: 'a' }, value: 12 },
      { labels: { backend: 'b' }, value: 2 },
    ]);
    const connects = totals.metrics.upstreamConnect.labels({ transport: 'tls' });
    expect(connects.sum).toBeCloseTo(3);
    expect(connects.counts.reduce((sum, count) => sum + count, 0)).toBe(6);
  });

  it('keep counters of a thread that ended and drop its gauges', () => {
    const totals = new MetricTotals(new Metrics());
    const [first, second] = [new Metrics(), new Metrics()];
    const [firstLife, secondLife] = [totals.life(), totals.life()];
    for (const metrics of [first, second]) {
      metrics.downstreamOpen.set({ bind: '80' }, 5);
      metrics.downstreamConnections.inc({ bind: '80' }, 7);
    }
    firstLife.apply(pushOf(first));
    secondLife.apply(pushOf(second));
    first.downstreamOpen.dec({ bind: '80' }, 2);
    firstLife.apply(pushOf(first));
    expect(totals.metrics.downstreamOpen.labels({ bind: '80' }).value).toBe(8);
    firstLife.end();
    expect(totals.metrics.downstreamOpen.labels({ bind: '80' }).value).toBe(5);
    expect(totals.metrics.downstreamConnections.labels({ bind: '80' }).total).toBe(14);
  });
});
