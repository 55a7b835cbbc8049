import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const GENAI = [
  {
    id: 'openai',
    models: [{ id: 'gpt-next', match: { starts_with: 'gpt-next' }, prices: { input_mtok: 4, output_mtok: 8 } }],
  },
  { id: 'nobody-knows', models: [] },
];
const CATALOG = { providers: { custom: { models: { mine: { rates: { input: '0.5', output: '1.5' } } } } } };

describe('sluice prices refresh', () => {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-refresh-'));
  const target = join(directory, 'data', 'prices.json');
  const pages: Record<string, string> = {
    '/data.json': JSON.stringify(GENAI),
    '/cut.json': JSON.stringify(GENAI).slice(0, 50),
    '/page': '<html></html>',
    '/empty.json': '[]',
  };
  const server = createServer((request, response) => {
    const page = pages[request.url ?? ''];
    response.writeHead(page === undefined ? 404 : 200).end(page);
  });
  let base = '';
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  async function sluice(...args: string[]) {
    const env = { ...process.env, SLUICE_PRICES: target };
    const child = spawn(process.execPath, [MAIN, 'prices', ...args], { env });
    let out = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (out += chunk));
    const code = await new Promise((resolve) => child.on('close', resolve));
    return { code, out };
  }
  const written = (path = target) => JSON.parse(readFileSync(path, 'utf8'));

  test('takes a published list from a URL, whole or not at all', async () => {
    expect(await sluice('refresh', '--from', `${base}/data.json`)).toEqual({
      code: 0,
      out: `wrote the prices of 1 models of 1 providers to ${target}\ngateways take them when they start\n`,
    });
    expect(written().providers.openai.models[0].prices).toEqual([{ rates: { input: 4, output: 8 } }]);
    const before = readFileSync(target, 'utf8');
    for (const path of ['/cut.json', '/page', '/empty.json', '/none']) {
      const { code, out } = await sluice('refresh', '--from', base + path);
      expect([code, out]).toEqual([1, expect.stringContaining(`the prices of ${base}${path} were not taken: `)]);
    }
    expect(readFileSync(target, 'utf8')).toBe(before);
    expect(readdirSync(join(directory, 'data'))).toEqual(['prices.json']);
  });

  test('takes a catalog, and a price file, from a file into another', async () => {
    const from = join(directory, 'catalog.json');
    const to = join(directory, 'out.json');
    writeFileSync(from, JSON.stringify(CATALOG));
    const { code, out } = await sluice('refresh', '--from', from, '--to', to);
    expect([code, out]).toEqual([0, expect.stringContaining(`modelCatalog: [{file: ${to}}]`)]);
    expect(written(to).providers.custom.models[0]).toMatchObject({ id: 'mine', prices: [{ rates: { input: 0.5 } }] });
    const again = await sluice('refresh', '--from', to, '--to', join(directory, 'again.json'));
    expect(again.code).toBe(0);
    expect(written(join(directory, 'again.json'))).toEqual(written(to));
  });

  test.each([[[]], [['refresh']], [['renew', '--from', 'x']], [['refresh', '--form', 'x']]])(
    'with the arguments %j says how it is used',
    async (args) => {
      const { code, out } = await sluice(...args);
      expect([code, out]).toEqual([2, expect.stringContaining('usage: sluice prices refresh --from')]);
    },
  );
});
