import { median, megabytes, number, table } from './report.mjs';

/** Which floor a peer is compared with. */
function floorOf(peer) {
  if (peer.name.startsWith('sluice-')) return `${peer.driver}-floor`;
  return peer.name.endsWith('-floor') ? peer.name : 'node-floor';
}

const unique = (values) => [...new Set(values)];

/** The median over rounds of a field, for one peer. */
function over(samples, name, field) {
  return median(samples.filter((sample) => sample.peer.name === name).map((sample) => sample[field]));
}

/** The median over rounds of the ratio of two peers in the same round. */
function ratio(samples, name, other, field) {
  const ratios = [];
  for (const sample of samples) {
    if (sample.peer.name !== name) continue;
    const twin = samples.find(({ round, peer }) => round === sample.round && peer.name === other);
    if (twin !== undefined) ratios.push(sample[field] / twin[field]);
  }
  return median(ratios);
}

function groups(samples, key) {
  const found = new Map();
  for (const sample of samples) {
    const name = key(sample);
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(sample);
  }
  return found;
}

export function closedLoopTables(samples) {
  const parts = [];
  for (const [title, group] of groups(
    samples,
    (s) => `${s.scenario.name}, ${s.connections} connections, closed loop`,
  )) {
    const rows = unique(group.map((sample) => sample.peer)).map((peer) => {
      const value = (field) => over(group, peer.name, field);
      return [
        peer.name,
        number(median(group.filter((s) => s.peer === peer).map((s) => s.requests / s.seconds))),
        number(value('p50'), 2),
        number(value('p99'), 2),
        number(value('p999'), 2),
        number(value('p50') - over(group, 'direct', 'p50'), 2),
        number(value('cpuUs'), 1),
        number(ratio(group, peer.name, floorOf(peer), 'cpuUs'), 2),
        number(throughputRatio(group, peer.name), 2),
        megabytes(value('rss')),
      ];
    });
    const header = [
      'peer',
      'req/s',
      'p50 ms',
      'p99',
      'p99.9',
      'added p50',
      'CPU µs/req',
      '× floor',
      'req/s × direct',
      'RSS MiB',
    ];
    parts.push(`### ${title}\n\n${table(header, rows)}`);
  }
  return parts.join('\n\n');
}

function throughputRatio(group, name) {
  const rate = (peer) => median(group.filter((s) => s.peer.name === peer).map((s) => s.requests / s.seconds));
  return rate(name) / rate('direct');
}

export function constantRateTables(samples) {
  const parts = [];
  for (const [title, group] of groups(samples, (s) => `${s.scenario.name}, ${s.scenario.rate} requests a second`)) {
    const rows = unique(group.map((sample) => sample.peer)).map((peer) => {
      const value = (field) => over(group, peer.name, field);
      const added = (field) => value(field) - over(group, 'direct', field);
      const single = peer.workers === undefined ? '' : `sluice-${peer.driver}-1`;
      return [
        peer.name,
        number(value('p50'), 2),
        number(value('p99'), 2),
        number(value('p999'), 2),
        number(added('p50'), 2),
        number(added('p99'), 2),
        number(value('cpuUs'), 1),
        number(ratio(group, peer.name, floorOf(peer), 'cpuUs'), 2),
        number(ratio(group, peer.name, single, 'cpuUs'), 2),
      ];
    });
    const header = [
      'peer',
      'p50 ms',
      'p99',
      'p99.9',
      'added p50',
      'added p99',
      'CPU µs/req',
      '× floor',
      '× one worker',
    ];
    parts.push(`### ${title}\n\n${table(header, rows)}`);
  }
  return parts.join('\n\n');
}

/** What the gateway aims at, and what it reached. */
export function figures(closed, rated) {
  const rows = [];
  const add = (what, value, bound) => {
    if (Number.isFinite(value)) rows.push([what, number(value, 2), `≤ ${bound}`, value <= bound ? 'yes' : 'no']);
  };
  for (const [, group] of groups(closed, (s) => `${s.scenario.name} ${s.connections}`)) {
    const [{ scenario, connections }] = group;
    const where = `${scenario.name}, ${connections} connections`;
    for (const driver of ['node', 'uws']) {
      const value = ratio(group, `sluice-${driver}-1`, `${driver}-floor`, 'cpuUs');
      add(`CPU × floor, ${driver}: ${where}`, value, scenario.bound);
    }
    if (scenario.name === 'llm-json-1k') {
      add(`CPU uws × node: ${where}`, ratio(group, 'sluice-uws-1', 'sluice-node-1', 'cpuUs'), 0.85);
    }
  }
  for (const [, group] of groups(rated, (s) => s.scenario.name)) {
    const [{ scenario }] = group;
    for (const driver of ['node', 'uws']) {
      for (const workers of [2, 4]) {
        const value = ratio(group, `sluice-${driver}-${workers}`, `sluice-${driver}-1`, 'cpuUs');
        add(`CPU ${workers} workers × one, ${driver}: ${scenario.name} at ${scenario.rate}/s`, value, 1.1);
      }
    }
  }
  return rows.length === 0 ? '' : `### Figures\n\n${table(['figure', 'measured', 'aim', 'met'], rows)}`;
}
