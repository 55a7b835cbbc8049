import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { freePort, Sluice } from '../support/sluice.ts';

/** What the pages print is what works: configurations pass `sluice check`, commands run against a Sluice that serves them. */
const root = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

interface Block {
  language: string;
  /** `file=name` or `run=name` behind the language. */
  mark: string;
  text: string;
}

function blocks(page: string): Block[] {
  const found = readFileSync(join(root, page), 'utf8').matchAll(/^```(\w+)[ ]?([^\n]*)\n([\s\S]*?)^```$/gm);
  return [...found].map(([, language = '', mark = '', text = '']) => ({ language, mark, text }));
}

const guide = readdirSync(join(root, 'docs/guides')).flatMap((page) => blocks(join('docs/guides', page)));
const configs = new Map(
  guide.filter(({ mark }) => mark.startsWith('file=')).map(({ mark, text }) => [mark.slice('file='.length), text]),
);
const commands = guide.filter(({ mark }) => mark.startsWith('run='));
const hasCurl = spawnSync('curl', ['--version']).status === 0;

it('the guides have configurations and commands', () => {
  expect(configs.size).toBeGreaterThanOrEqual(4);
  expect(commands.length).toBeGreaterThanOrEqual(3);
});

describe('configurations of the guides pass sluice check', () => {
  it.each([...configs])('%s', async (name, text) => {
    const file = join(mkdtempSync(join(tmpdir(), 'sluice-docs-')), name);
    writeFileSync(file, text);
    await expect(run(process.execPath, [join(root, 'dist/cli/main.js'), 'check', '-f', file])).resolves.toBeDefined();
  });
});

describe.runIf(hasCurl)('commands run as printed (needs curl)', () => {
  it.each(commands.map(({ mark, text }) => [mark.slice('run='.length), text] as const))(
    'with %s',
    async (name, text) => {
      await runCommands(configs.get(name) ?? '', text);
    },
  );

  it('of the README, with the quickstart', async () => {
    const curl = blocks('README.md').find(({ text }) => text.startsWith('curl '));
    await runCommands(readFileSync(join(root, 'examples/quickstart/config.yaml'), 'utf8'), curl?.text ?? '');
  });
});

/** Serves `config` and runs `commands` with bash; only the port is another than the printed one. */
async function runCommands(config: string, commands: string): Promise<void> {
  const printed = /localhost:(\d+)/.exec(commands)?.[1] ?? '';
  const port = String(await freePort());
  const sluice = await Sluice.start(config.replaceAll(`port: ${printed}`, `port: ${port}`), {
    env: { OPENAI_API_KEY: undefined, ANTHROPIC_API_KEY: undefined },
  });
  try {
    const script = commands
      .replaceAll(`localhost:${printed}`, `localhost:${port}`)
      .replaceAll(/^curl /gm, 'curl --fail-with-body ');
    const { stdout } = await run('bash', ['-euc', script]);
    expect(stdout.trim()).not.toBe('');
    expect(stdout).not.toContain('"error"');
  } finally {
    await sluice.stop();
  }
}
