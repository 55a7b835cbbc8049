#!/usr/bin/env node
/**
 * The load bench: every peer in the same run, one after the other in each round, so that what the machine does meanwhile
 * falls on all alike. What counts is CPU per request of the gateway's own processes and its ratio to the floors; throughput on
 * a small machine says as much about the load generator. See bench/README.md.
 */
import { conversions } from './conversions.mjs';
import { idleStreams } from './idle-streams.mjs';
import { closedLoop, tool } from './lib/closed-loop.mjs';
import { constantRate } from './lib/constant-rate.mjs';
import { options, outDir } from './lib/options.mjs';
import { checkAnswer } from './lib/probe.mjs';
import { canMeasure, startMock, stopAll, usage } from './lib/processes.mjs';
import { machine, writeSection } from './lib/report.mjs';
import { SCENARIOS } from './lib/scenarios.mjs';
import { closedLoopTables, constantRateTables, figures } from './lib/tables.mjs';
import { micro } from './micro/run.mjs';
import { peers as agentgateway } from './peers/agentgateway.mjs';
import { peers as direct } from './peers/direct.mjs';
import { peers as nginx } from './peers/nginx.mjs';
import { peers as nodeFloor } from './peers/node-floor.mjs';
import { peers as sluice } from './peers/sluice.mjs';
import { peers as uwsFloor } from './peers/uws-floor.mjs';
import { scale } from './scale.mjs';
import { slowReader } from './slow-reader.mjs';

const PEERS = [...direct, ...nodeFloor, ...uwsFloor, ...sluice, ...nginx, ...agentgateway];
/** Enough for a short run that only shows that everything works. */
const SMOKE_PEERS = ['direct', 'node-floor', 'sluice-node-1', 'sluice-node-2', 'sluice-uws-1'];
/** That every peer answers the other scenarios rightly is checked all the same. */
const SMOKE_SCENARIOS = ['http', 'llm-json-1k', 'sse-100'];
const WARM_UP_SECONDS = { first: 3, later: 1, smoke: 1 };
const RATE_CONNECTIONS = 64;

const chosen = options();
/** Benches of their own, by the word that selects them. */
const OTHERS = { micro, conversions, 'idle-streams': idleStreams, scale, 'slow-reader': slowReader };
const [word] = chosen.words;
if (word !== undefined && word in OTHERS) {
  await OTHERS[word](chosen);
  process.exit();
}
const scenarios = SCENARIOS.filter(
  ({ name, group }) => chosen.words.length === 0 || chosen.words.includes(name) || chosen.words.includes(group),
);
if (scenarios.length === 0) {
  const names = [...SCENARIOS.map(({ name }) => name), ...Object.keys(OTHERS)].join(', ');
  fail(`nothing is called ${chosen.words.join(' ')}; there are ${names}`);
}
if (!canMeasure) fail('CPU and memory are read from /proc, which only Linux has');

const mock = await startMock();
const running = await startPeers();
try {
  for (const peer of running) for (const scenario of scenarios) await checkAnswer(peer.port, mock.port, scenario);
  const closed = await runClosedLoops();
  const rated = chosen.smoke ? [] : await runConstantRates();
  report(closed, rated);
  const broken = [...closed, ...rated].filter((sample) => sample.failed > 0 || sample.requests === 0);
  for (const sample of broken) {
    console.error(
      `${sample.peer.name}, ${sample.scenario.name}: ${sample.failed} of ${sample.requests + sample.failed} requests failed`,
    );
  }
  if (broken.length > 0) process.exitCode = 1;
} finally {
  await stopAll();
}

async function startPeers() {
  const started = [];
  const wanted = chosen.peers ?? (chosen.smoke ? SMOKE_PEERS : null);
  for (const peer of PEERS) {
    if (wanted !== null && !wanted.includes(peer.name)) continue;
    const reason = peer.unavailable?.() ?? null;
    if (reason !== null) {
      // A smoke run is a check: what it names must be there, but for a native package that not every Node has a binary of.
      if (chosen.smoke && peer.driver !== 'uws') fail(`${peer.name}: ${reason}`);
      console.log(`${peer.name}: left out, ${reason}`);
      continue;
    }
    started.push({ ...peer, ...(await peer.start({ upstream: mock.port, outDir })) });
  }
  return started;
}

async function runClosedLoops() {
  const samples = [];
  const driven = chosen.smoke ? scenarios.filter(({ name }) => SMOKE_SCENARIOS.includes(name)) : scenarios;
  for (const scenario of driven) {
    for (const connections of chosen.connections) {
      for (let round = 0; round < chosen.rounds; round++) {
        for (const peer of running) {
          if (peer.rateOnly) continue;
          const load = (seconds) => closedLoop(peer.port, scenario, { connections, seconds, outDir });
          await load(warmUp(round));
          samples.push({ scenario, connections, round, peer, ...(await measured(peer, () => load(chosen.seconds))) });
        }
        console.log(`${scenario.name}, ${connections} connections, round ${round + 1} of ${chosen.rounds}`);
      }
    }
  }
  return samples;
}

function warmUp(round) {
  if (chosen.smoke) return WARM_UP_SECONDS.smoke;
  return round === 0 ? WARM_UP_SECONDS.first : WARM_UP_SECONDS.later;
}

async function runConstantRates() {
  const samples = [];
  for (const scenario of scenarios) {
    for (let round = 0; round < chosen.rounds; round++) {
      for (const peer of running) {
        const { rate } = scenario;
        const load = () =>
          constantRate(peer.port, scenario, { connections: RATE_CONNECTIONS, rate, seconds: chosen.seconds });
        // At full speed: each of four workers would be optimised four times as late as one alone.
        await closedLoop(peer.port, scenario, { connections: RATE_CONNECTIONS, seconds: warmUp(round), outDir });
        samples.push({ scenario, round, peer, ...(await measured(peer, load)) });
      }
    }
    console.log(`${scenario.name}, ${scenario.rate} requests a second`);
  }
  return samples;
}

/** What a peer did and used while `load` ran. */
async function measured(peer, load) {
  const before = peer.pid === null ? null : usage(peer.pid);
  const result = await load();
  const after = peer.pid === null ? null : usage(peer.pid);
  const cpuUs = before === null ? Number.NaN : (after.cpuUs - before.cpuUs) / result.requests;
  return { ...result, cpuUs, rss: after?.rss ?? Number.NaN };
}

function report(closed, rated) {
  const text = [
    `Measured on ${machine()}; load by ${tool} (closed loop) and lib/constant-rate.mjs; medians of ${chosen.rounds} rounds of ${chosen.seconds} s.`,
    // Without a warm-up the ratios say nothing about what is aimed at.
    chosen.smoke ? '' : figures(closed, rated),
    closedLoopTables(closed),
    constantRateTables(rated),
  ];
  const markdown = text.filter((part) => part !== '').join('\n\n');
  console.log(`\n${markdown}\n`);
  if (chosen.write) writeSection('load', `## Load\n\n${markdown}`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
