import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../../..');
/** What is not the project's own. */
const FOREIGN = new Set(['node_modules', '.git', 'dist', 'coverage']);

function pages(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    if (FOREIGN.has(entry.name)) return [];
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return pages(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

/** Without code, where brackets mean something else. */
function prose(page: string): string {
  return readFileSync(page, 'utf8')
    .replaceAll(/^ *```[\s\S]*?^ *```$/gm, '')
    .replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, ''));
}

/** The anchors GitHub gives a page's headings. */
function anchors(page: string): Set<string> {
  const found = new Set<string>();
  for (const [, heading = ''] of prose(page).matchAll(/^#+ (.*)$/gm)) {
    const plain = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}_\- ]/gu, '');
    const anchor = plain.replaceAll(' ', '-');
    let unique = anchor;
    for (let again = 1; found.has(unique); again++) unique = `${anchor}-${again}`;
    found.add(unique);
  }
  return found;
}

function brokenLinks(page: string): string[] {
  const links = [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return links.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path = '', anchor = ''] = target.split('#');
    const file = path === '' ? page : resolve(dirname(page), path);
    return !existsSync(file) || (anchor !== '' && !anchors(file).has(anchor));
  });
}

it.each(pages(root).map((page) => relative(root, page)))('links of %s lead somewhere', (page) => {
  expect(brokenLinks(join(root, page))).toEqual([]);
});
