import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const require = createRequire(import.meta.url);

/** The load generator of the closed loop: wrk where installed, it costs the machine the least; else autocannon. */
export const tool = spawnSync('wrk', ['--version']).error === undefined ? 'wrk' : 'autocannon';

/**
 * Drives `port` with `connections` connections that each send their next request when the last was answered.
 * @returns {Promise<{requests: number, seconds: number, p50: number, p99: number, p999: number, failed: number}>} latencies in ms
 */
export function closedLoop(port, scenario, { connections, seconds, outDir }) {
  const drive = tool === 'wrk' ? wrk : autocannon;
  return drive(port, scenario, { connections, seconds, outDir });
}

/** The request is formatted once; what wrk measured comes out as one JSON line. */
function luaScript(scenario) {
  const body = scenario.body === null ? 'nil' : `[==[${scenario.body}]==]`;
  return `
local headers = { ["content-type"] = "application/json" }
local formatted = nil

request = function()
  if formatted == nil then
    formatted = wrk.format("${scenario.method}", "${scenario.path}", headers, ${body})
  end
  return formatted
end

done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    'RESULT {"requests":%d,"seconds":%.6f,"p50":%.4f,"p99":%.4f,"p999":%.4f,"failed":%d}\\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3, failed))
end
`;
}

async function wrk(port, scenario, { connections, seconds, outDir }) {
  const script = join(outDir, `${scenario.name}.lua`);
  writeFileSync(script, luaScript(scenario));
  const url = `http://127.0.0.1:${port}${scenario.path}`;
  const { stdout } = await run('wrk', [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--timeout',
    '10s',
    '-s',
    script,
    url,
  ]);
  const line = stdout.split('\n').find((text) => text.startsWith('RESULT '));
  return JSON.parse(line.slice('RESULT '.length));
}

async function autocannon(port, scenario, { connections, seconds }) {
  const args = [require.resolve('autocannon'), '-j', '-c', String(connections), '-d', String(seconds)];
  args.push('-m', scenario.method);
  if (scenario.body !== null) args.push('-H', 'content-type=application/json', '-b', scenario.body);
  args.push(`http://127.0.0.1:${port}${scenario.path}`);
  const { stdout } = await run(process.execPath, args, { maxBuffer: 1 << 26 });
  const result = JSON.parse(stdout);
  const { p50, p99, p99_9 } = result.latency;
  return {
    requests: result.requests.total,
    seconds: result.duration,
    p50,
    p99,
    p999: p99_9,
    failed: result.non2xx + result.errors + result.timeouts,
  };
}
