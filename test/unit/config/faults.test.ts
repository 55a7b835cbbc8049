import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { faultsOf } from './support.ts';

/**
 * Broken configurations and what is said of them. Each case of faults.txt is a title line (`### …`), the file, and the expected
 * lines (`=> line:column: path: message; hint`). UPDATE_GOLDEN=1 rewrites the expectations.
 */
const TABLE = new URL('../../fixtures/config/faults.txt', import.meta.url);

interface Case {
  title: string;
  yaml: string;
  expected: string[];
}

function readTable(): Case[] {
  return readFileSync(TABLE, 'utf8')
    .split(/^### /m)
    .slice(1)
    .map((part) => {
      const [title = '', ...lines] = part.replace(/\n$/, '').split('\n');
      const expected = lines.filter((line) => line.startsWith('=> ')).map((line) => line.slice(3));
      return { title, yaml: lines.filter((line) => !line.startsWith('=> ')).join('\n'), expected };
    });
}

const cases = readTable();
const env = { ADDRESS: 'localhost:15000', SPLIT: 'a: b', LINES: 'a\nb', QUOTE: 'a"b' };
const files = { 'cert.pem': 'nonsense\n' };

describe('faults', () => {
  if (process.env.UPDATE_GOLDEN === '1') {
    it('are written down', async () => {
      let text = '';
      for (const { title, yaml } of cases) {
        const lines = await faultsOf(yaml, { env, files });
        text += `### ${title}\n${yaml}\n${lines.map((line) => `=> ${line}\n`).join('')}`;
      }
      writeFileSync(TABLE, text);
    });
    return;
  }
  it('cover at least forty kinds of mistakes', () => {
    expect(cases.length).toBeGreaterThanOrEqual(40);
    for (const { title, expected } of cases) expect(expected, title).not.toEqual([]);
  });
  it.each(cases)('$title', async ({ yaml, expected }) => {
    expect(await faultsOf(yaml, { env, files })).toEqual(expected);
  });
});
