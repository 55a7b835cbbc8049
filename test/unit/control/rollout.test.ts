import { describe, expect, it } from 'vitest';
import type { Revision } from '../../../src/control/revision.ts';
import { judge } from '../../../src/control/rollout/judge.ts';
import { act } from '../../../src/control/rollout/operator.ts';
import { placeOf } from '../../../src/control/rollout/place.ts';
import { actedOn, isNews, propose } from '../../../src/control/rollout/propose.ts';
import {
  type GatewayRecord,
  MAX_GATEWAYS,
  MAX_HISTORY,
  newGateway,
  withGateway,
} from '../../../src/control/rollout/record.ts';
import { type GatewayReport, type GroupReport, mergeReports, NO_NODES } from '../../../src/control/rollout/report.ts';
import type { RolloutSettings } from '../../../src/control/settings.ts';

const SETTINGS: RolloutSettings = {
  share: 0.2,
  minTimeMs: 60_000,
  maxErrorRate: 0.01,
  minRequests: 100,
  maxNacks: 0,
  scrapeIntervalMs: 5000,
  scrapeNetworks: [],
};

const revision = (id: string): Revision => ({ id, parts: [{ file: 'a.yaml', labels: {}, content: `content-${id}` }] });
const group = (of: Partial<GroupReport>): GroupReport => ({ ...NO_NODES, ...of });
const report = (canary: Partial<GroupReport>, rest: Partial<GroupReport> = {}, more: Partial<GatewayReport> = {}) => {
  return { rollout: 'r2@0', canary: group(canary), rest: group(rest), lowest: 0, refusals: [], ...more };
};
/** Two canary nodes that have taken the revision and answered well. */
const GOOD = { nodes: 2, settled: 2, measured: 2, requests: 1000, errors: 5 };
const REST = { nodes: 8, settled: 8, measured: 8, requests: 4000, errors: 20 };

/** Half-way: r1 with everybody, r2 with the canary share since 0. */
const staged = () => propose(newGateway(revision('r1'), 0), revision('r2'), SETTINGS, 0);

describe('propose', () => {
  it('gives a new revision to the canary share', () => {
    expect(staged()).toMatchObject({
      stable: { id: 'r1' },
      candidate: { revision: { id: 'r2' }, threshold: 0.2, state: 'canary', arrivedAt: null },
    });
  });

  it.each([0, 1])('gives it to all at once with a share of %d', (share) => {
    const gateway = propose(newGateway(revision('r1'), 0), revision('r2'), { ...SETTINGS, share }, 7);
    expect(gateway).toMatchObject({
      stable: { id: 'r2' },
      candidate: null,
      history: [{ revision: { id: 'r1' }, until: 7 }],
    });
  });

  it('changes nothing for what is stable, on its way, or was rolled back', () => {
    const stable = newGateway(revision('r1'), 0);
    expect(propose(stable, revision('r1'), SETTINGS, 1)).toBe(stable);
    const gateway = staged();
    expect(propose(gateway, revision('r2'), SETTINGS, 1)).toBe(gateway);
    const back = act(gateway, 'rollback', null, SETTINGS, 1) as GatewayRecord;
    expect(propose(back, revision('r2'), SETTINGS, 1)).toBe(back);
  });

  it('begins anew with a newer one, and takes it back where the directory does', () => {
    expect(propose(staged(), revision('r3'), SETTINGS, 9)).toMatchObject({
      candidate: { revision: { id: 'r3' }, startedAt: 9 },
    });
    expect(propose(staged(), revision('r1'), SETTINGS, 9)).toMatchObject({ stable: { id: 'r1' }, candidate: null });
  });

  it('tries what was rolled back again once the directory has said something else in between', () => {
    const back = act(staged(), 'rollback', null, SETTINGS, 1) as GatewayRecord;
    const between = propose(back, revision('r1'), SETTINGS, 2);
    expect(between.rejected).toBe(null);
    expect(propose(between, revision('r2'), SETTINGS, 3).candidate?.revision.id).toBe('r2');
  });

  it('keeps a bounded history', () => {
    let gateway = newGateway(revision('r0'), 0);
    for (let at = 1; at < 20; at++) gateway = propose(gateway, revision(`r${at}`), { ...SETTINGS, share: 0 }, at);
    expect(gateway.history.map(({ revision: { id } }) => id)).toEqual(['r18', 'r17', 'r16', 'r15', 'r14']);
    expect(gateway.history).toHaveLength(MAX_HISTORY);
  });

  it('knows what has been acted on, and what is news', () => {
    const gateway = staged();
    expect(actedOn(gateway, revision('r2'))).toBe(true);
    expect(actedOn(gateway, revision('r1'))).toBe(false);
    expect(actedOn(gateway, revision('r3'))).toBe(false);
    expect(isNews(gateway, revision('r1'))).toBe(false);
    expect(isNews(gateway, revision('r3'))).toBe(true);
    const done = act(gateway, 'promote', null, SETTINGS, 1) as GatewayRecord;
    expect(isNews(done, revision('r1'))).toBe(false);
  });
});

describe('judge', () => {
  it('waits for the minimum time, counted from when all canary nodes had it', () => {
    const before = judge(staged(), report({ ...GOOD, settled: 1 }, REST), SETTINGS, 10_000);
    expect(before.candidate).toMatchObject({
      arrivedAt: null,
      state: 'canary',
      reason: '1 of 2 canary nodes have answered',
    });
    const arrived = judge(before, report(GOOD, REST), SETTINGS, 20_000);
    expect(arrived.candidate?.arrivedAt).toBe(20_000);
    expect(judge(arrived, report(GOOD, REST), SETTINGS, 79_000).candidate?.state).toBe('canary');
    expect(judge(arrived, report(GOOD, REST), SETTINGS, 80_000)).toMatchObject({
      stable: { id: 'r2' },
      candidate: null,
      history: [{ revision: { id: 'r1' } }],
    });
  });

  const arrived = () => judge(staged(), report(GOOD, REST), SETTINGS, 0);

  it('rolls back when a node refuses it, and says who and why', () => {
    const back = judge(staged(), report({ nodes: 2, refused: 1 }, {}, { refusals: ['n1: route/x: no'] }), SETTINGS, 5);
    expect(back).toMatchObject({
      stable: { id: 'r1' },
      candidate: null,
      rejected: { revision: { id: 'r2' }, at: 5, reason: '1 node refused it: n1: route/x: no' },
    });
  });

  it('bears as many refusals as are allowed', () => {
    expect(judge(staged(), report({ ...GOOD, refused: 1 }), { ...SETTINGS, maxNacks: 1 }, 5).rejected).toBe(null);
    expect(judge(staged(), report({ ...GOOD, refused: 2 }), { ...SETTINGS, maxNacks: 1 }, 5).rejected).not.toBe(null);
  });

  it.each([
    [
      'the other nodes',
      report({ ...GOOD, errors: 20 }, { ...REST, errors: 20 }),
      '2% of responses are 5xx, more than 0.5%',
    ],
    [
      'before, where there are no others',
      report({ ...GOOD, errors: 20, requestsBefore: 500, errorsBefore: 2 }),
      '2% of responses are 5xx, more than 0.4% of those before',
    ],
    ['none, where there is nothing to compare with', report({ ...GOOD, errors: 20 }), '2% of responses are 5xx'],
  ])('rolls back before its time when more fails than with %s', (_, seen, reason) => {
    const back = judge(arrived(), seen, SETTINGS, 1000);
    expect(back.candidate).toBe(null);
    expect(back.rejected?.reason).toContain(reason);
  });

  it('goes on although much fails, where as much failed before', () => {
    const seen = report({ ...GOOD, errors: 200 }, { ...REST, errors: 800 });
    expect(judge(arrived(), seen, SETTINGS, 60_000).stable.id).toBe('r2');
  });

  it.each([
    [
      'too few requests',
      report({ ...GOOD, requests: 99, errors: 99 }, REST),
      'no data: 99 requests in 2 of 2 canary nodes',
    ],
    [
      'no metrics at all',
      report({ nodes: 2, settled: 2, unmeasured: 'http://10.0.0.1:1/metrics answers 404' }, REST),
      'no data: the metrics of no canary node could be read (http://10.0.0.1:1/metrics answers 404)',
    ],
  ])('pauses on %s: no data is no success', (_, seen, reason) => {
    const paused = judge(arrived(), seen, SETTINGS, 60_000);
    expect(paused.candidate).toMatchObject({
      state: 'paused',
      pausedBy: 'no_data',
      reason: expect.stringContaining(reason),
    });
    expect(judge(paused, seen, SETTINGS, 600_000)).toBe(paused);
    expect(judge(paused, report(GOOD, REST), SETTINGS, 700_000).stable.id).toBe('r2');
  });

  it('asks for no data where errors are not to count', () => {
    const seen = report({ nodes: 2, settled: 2 }, REST);
    expect(judge(arrived(), seen, { ...SETTINGS, maxErrorRate: null }, 60_000).stable.id).toBe('r2');
  });

  it('pauses when canary nodes never answer', () => {
    const paused = judge(staged(), report({ nodes: 2, settled: 1 }, REST), SETTINGS, 61_000);
    expect(paused.candidate).toMatchObject({ state: 'paused', reason: '1 of 2 canary nodes have answered' });
  });

  it('waits for nodes where none is connected', () => {
    const waiting = judge(staged(), report({}), SETTINGS, 600_000);
    expect(waiting.candidate).toMatchObject({
      state: 'canary',
      threshold: 0.2,
      reason: expect.stringContaining('no node'),
    });
  });

  it('takes the first of a fleet too small to have a node in the share', () => {
    const seen = report({}, { nodes: 2 }, { lowest: 0.61 });
    expect(judge(staged(), seen, SETTINGS, 1000).candidate?.threshold).toBe(0.2);
    const next = judge(staged(), seen, SETTINGS, 10_000);
    expect(next.candidate?.threshold).toBeGreaterThan(0.61);
    expect(next.candidate?.threshold).toBeLessThan(0.6101);
  });

  it('does nothing while it is paused by hand', () => {
    const paused = act(arrived(), 'pause', null, SETTINGS, 1) as GatewayRecord;
    expect(judge(paused, report({ ...GOOD, refused: 2 }), SETTINGS, 600_000)).toBe(paused);
    const resumed = act(paused, 'resume', null, SETTINGS, 2) as GatewayRecord;
    expect(judge(resumed, report(GOOD, REST), SETTINGS, 600_000).stable.id).toBe('r2');
  });

  it('changes nothing where there is nothing to say anew', () => {
    const once = judge(arrived(), report(GOOD, REST), SETTINGS, 100);
    expect(judge(once, report(GOOD, REST), SETTINGS, 200)).toBe(once);
    const idle = newGateway(revision('r1'), 0);
    expect(judge(idle, report({}), SETTINGS, 1)).toBe(idle);
  });
});

describe('an operator', () => {
  it('goes back to the revision before, and forth again', () => {
    const done = act(staged(), 'promote', null, SETTINGS, 1) as GatewayRecord;
    const back = act(done, 'rollback', revision('r2'), SETTINGS, 2) as GatewayRecord;
    expect(back).toMatchObject({ stable: { id: 'r1' }, rejected: { revision: { id: 'r2' } }, history: [] });
    expect(act(back, 'promote', revision('r2'), SETTINGS, 3)).toMatchObject({ stable: { id: 'r2' }, rejected: null });
    expect(act(back, 'resume', revision('r2'), SETTINGS, 3)).toMatchObject({ candidate: { revision: { id: 'r2' } } });
  });

  it.each(['pause', 'resume', 'rollback', 'promote'] as const)('can’t %s where nothing is under way', (action) => {
    expect(act(newGateway(revision('r1'), 0), action, revision('r1'), SETTINGS, 1)).toEqual(expect.any(String));
  });
});

describe('reports', () => {
  it('of replicas are added up; those of another roll-out are not', () => {
    const merged = mergeReports('r2@0', [
      report({ nodes: 1, requests: 5 }, { nodes: 2 }, { lowest: 0.5, refusals: ['a'] }),
      report({ nodes: 2, requests: 7, unmeasured: 'why' }, {}, { lowest: 0.1, refusals: ['b'] }),
      report({ nodes: 50 }, {}, { rollout: 'r1@0' }),
    ]);
    expect(merged).toMatchObject({
      canary: { nodes: 3, requests: 12, unmeasured: 'why' },
      rest: { nodes: 2 },
      lowest: 0.1,
      refusals: ['a', 'b'],
    });
  });
});

describe('the record', () => {
  it('forgets the gateways longest not seen', () => {
    let record = { gateways: {} };
    for (let at = 0; at < MAX_GATEWAYS + 5; at++) record = withGateway(record, `g${at}`, newGateway(revision('r'), at));
    expect(Object.keys(record.gateways)).toHaveLength(MAX_GATEWAYS);
    expect(Object.keys(record.gateways)).not.toContain('g4');
  });
});

describe('placeOf', () => {
  it('is the same everywhere and even', () => {
    expect(placeOf('node-1')).toBe(placeOf('node-1'));
    const low = Array.from({ length: 10_000 }, (_, at) => placeOf(`node-${at}`)).filter((place) => place < 0.1);
    expect(low.length).toBeGreaterThan(850);
    expect(low.length).toBeLessThan(1150);
  });
});
