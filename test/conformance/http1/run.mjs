#!/usr/bin/env node
/**
 * `npm run probe [-- --record] [-- --driver node|uws]`: runs the table against the built drivers and prints each one's score.
 * Fails where node misses any case, or uws one that is not among its known faults. `--record` puts the loaded uws binary's
 * SHA-256 into drivers/uws-verified.json if it passed every case, known faults included.
 */
import { writeFileSync } from 'node:fs';
import { chooseDriver, uwsAvailability } from '../../../dist/workers/drivers/select.js';
import { readVerified, VERIFIED_FILE } from '../../../dist/workers/drivers/uws-binding.js';
import { cases } from './cases.mjs';
import { runCases } from './runner.mjs';

const record = process.argv.includes('--record');
const found = uwsAvailability();
let failed = false;

const node = await runCases(chooseDriver('node'), cases);
report('node', node);

if ('error' in found) {
  console.log(`uws: not run, ${found.error}`);
} else {
  const uws = await runCases(chooseDriver('uws'), cases);
  report(`uws ${found.version.replace(/-.*$/, '')}`, uws);
  if (record) recordBinary(uws);
}

const passed = node.filter((result) => result.passed).length;
console.log(`${passed} passed, ${node.length - passed} failed`);
process.exit(failed ? 1 : 0);

function report(name, results) {
  const missed = results.filter((result) => !result.passed);
  const unknown = missed.filter((result) => !result.known);
  const list = missed.length === 0 ? '' : ` (${missed.map((result) => result.id).join(', ')})`;
  console.log(`${name}: ${results.length - missed.length}/${results.length}${list}`);
  for (const result of unknown) console.log(`  FAIL ${name} ${result.id}: ${result.complaint}`);
  for (const result of missed) {
    if (result.known) console.log(`  known ${result.id}: ${cases.find((probe) => probe.id === result.id)?.uws}`);
  }
  if (unknown.length > 0) failed = true;
}

function recordBinary(results) {
  if (results.some((result) => !result.passed)) {
    console.log('not recorded: this uws binary does not pass every case');
    return;
  }
  const others = readVerified().filter((entry) => entry.sha256 !== found.sha256);
  const entry = {
    sha256: found.sha256,
    version: found.version,
    platform: `${process.platform}-${process.arch}-abi${process.versions.modules}`,
    cases: results.length,
  };
  writeFileSync(VERIFIED_FILE, `${JSON.stringify([...others, entry], null, 2)}\n`);
  console.log(`recorded ${found.sha256}`);
}
