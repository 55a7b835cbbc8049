import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildCatalogue } from '../../../src/catalogue.ts';
import { formatFault } from '../../../src/config/fault.ts';
import { ConfigurationDirectory, type DirectoryState } from '../../../src/control/directory/directory.ts';
import { overlap, type Selector, selectsGateway, selectsLabels } from '../../../src/control/directory/selector.ts';
import { fromResources } from '../../../src/xds/translate/index.ts';

const catalogue = buildCatalogue();
let folder = '';
let directory: ConfigurationDirectory;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-control-'));
  directory = new ConfigurationDirectory(folder, catalogue, fromResources);
});

afterEach(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

/** A port with one route that answers `body`. */
const port = (number: number, body: string, header = '') =>
  `${header}binds:\n- port: ${number}\n  listeners:\n  - name: l${number}\n    routes:\n    - name: r\n      policies:\n        directResponse: { status: 200, body: ${body} }\n`;

const names = ({ configurations }: DirectoryState) => configurations.map(({ name }) => name);
const faults = (state: DirectoryState) => state.faults.map(formatFault).map((text) => text.replace(`${folder}/`, ''));

describe('ConfigurationDirectory', () => {
  it('takes every *.yaml and *.yml, in order, but hidden ones, those below, and control’s own settings', async () => {
    for (const name of ['b.yaml', 'a.yml', '.c.yaml', 'control.yaml', 'd.txt', 'e.json']) write(name, port(1000, 'x'));
    mkdirSync(join(folder, 'below'));
    write('b.yaml', port(1001, 'x'));
    write('below/f.yaml', 'no: configuration');
    const state = await directory.load();
    expect(names(state)).toEqual(['a.yml', 'b.yaml']);
    expect(faults(state)).toEqual([]);
  });

  it('is empty where there is nothing in it', async () => {
    expect(await directory.load()).toEqual({ configurations: [], faults: [] });
  });

  it('reads which nodes a file is for', async () => {
    write('a.yaml', port(1000, 'x', 'control:\n  gateways: prod/*\n  labels: { tier: gold }\n'));
    const { configurations } = await directory.load();
    expect(configurations[0]?.selector).toEqual({ gateways: ['prod/*'], labels: { tier: 'gold' } });
    expect(configurations[0]?.content.resources.map(({ resource }) => resource.name)).toContain('bind/1000');
  });

  it('sends ports last, so that nobody is served half of a configuration', async () => {
    write('a.yaml', port(1000, 'x'));
    const { configurations } = await directory.load();
    expect(configurations[0]?.content.resources.at(-1)?.resource.name).toBe('bind/1000');
  });

  it('says with line and column what is wrong with a header, and with the rest', async () => {
    write('a.yaml', port(1000, 'x', 'control:\n  gateway: prod/edge\n'));
    write('b.yaml', port(1001, 'x', 'control:\n  gateways: prod\n'));
    write('c.yaml', port(70_000, 'x'));
    const said = faults(await directory.load());
    expect(said[0]).toBe('a.yaml:2:3: control.gateway: unknown field "gateway"; did you mean "gateways"?');
    expect(said[1]).toMatch(/^b\.yaml:2:\d+: control\.gateways: .*<namespace>\/<gateway>/);
    expect(said[2]).toMatch(/^c\.yaml:2:3: binds\[0\]\.port: /);
  });

  it('goes on serving a file as it was while it is refused, and the others as they are', async () => {
    write('a.yaml', port(1000, 'one'));
    write('b.yaml', port(1001, 'one'));
    const first = await directory.load();
    write('a.yaml', 'binds: [');
    write('b.yaml', port(1001, 'two'));
    const second = await directory.load();
    expect(second.configurations[0]?.content.hash).toBe(first.configurations[0]?.content.hash);
    expect(second.configurations[1]?.content.hash).not.toBe(first.configurations[1]?.content.hash);
    expect(faults(second)[0]).toMatch(/^a\.yaml:\d+:\d+: /);
    write('a.yaml', port(1000, 'three'));
    const third = await directory.load();
    expect(third.faults).toEqual([]);
    expect(third.configurations[0]?.content.hash).not.toBe(first.configurations[0]?.content.hash);
  });

  it('forgets a file that is gone, and serves none that was never good', async () => {
    write('a.yaml', port(1000, 'x'));
    write('b.yaml', '');
    expect(names(await directory.load())).toEqual(['a.yaml']);
    rmSync(join(folder, 'a.yaml'));
    rmSync(join(folder, 'b.yaml'));
    expect(await directory.load()).toEqual({ configurations: [], faults: [] });
  });

  it('keeps everything while the directory itself can not be read', async () => {
    write('a.yaml', port(1000, 'x'));
    await directory.load();
    renameSync(folder, `${folder}-away`);
    const state = await directory.load();
    renameSync(`${folder}-away`, folder);
    expect(names(state)).toEqual(['a.yaml']);
    expect(faults(state)[0]).toContain("the directory can't be read");
  });

  it('finds the same content in the same configuration, and files it refers to part of it', async () => {
    write('key.txt', 'secret');
    const llm = (file: string) =>
      `llm:\n  port: 4000\n  models:\n  - name: m\n    provider: openAI\n    params: { apiKey: { file: ${file} } }\n`;
    write('a.yaml', llm('key.txt'));
    const first = await directory.load();
    expect(faults(first)).toEqual([]);
    const again = await new ConfigurationDirectory(folder, catalogue, fromResources).load();
    expect(again.configurations[0]?.content.hash).toBe(first.configurations[0]?.content.hash);
    write('key.txt', 'another');
    const changed = await directory.load();
    expect(changed.configurations[0]?.content.hash).not.toBe(first.configurations[0]?.content.hash);
  });

  it('follows changes', async () => {
    write('a.yaml', port(1000, 'one'));
    await directory.load();
    const states: DirectoryState[] = [];
    const stop = directory.watch((state) => states.push(state));
    write('b.yaml', port(1001, 'one'));
    await expect.poll(() => states.at(-1)?.configurations.length).toBe(2);
    rmSync(join(folder, 'a.yaml'));
    await expect.poll(() => states.at(-1)?.configurations.map(({ name }) => name)).toEqual(['b.yaml']);
    write('b.yaml', 'binds: 1');
    await expect.poll(() => states.at(-1)?.faults.length).toBe(1);
    stop();
  });

  it('names settings that are each process’s own', async () => {
    write('a.yaml', 'config: { adminAddr: "localhost:1", modelCatalog: [] }\n');
    const { configurations } = await directory.load();
    expect(configurations[0]?.ownSettings).toEqual(['adminAddr']);
  });

  describe('clashes', () => {
    it('are refused where a node may get both files', async () => {
      write('a.yaml', port(1000, 'one'));
      write('b.yaml', port(1000, 'two'));
      const state = await directory.load();
      expect(state.configurations).toEqual([]);
      expect(faults(state)[0]).toMatch(/^a\.yaml:1:1: "route\/.*" .*is in b\.yaml too/);
      expect(faults(state)[1]).toMatch(/^b\.yaml:1:1: .* in a\.yaml too/);
    });

    it('leave what was there before', async () => {
      write('a.yaml', port(1000, 'one'));
      await directory.load();
      write('b.yaml', port(1000, 'two'));
      const state = await directory.load();
      expect(names(state)).toEqual(['a.yaml']);
      expect(faults(state)).toHaveLength(1);
      rmSync(join(folder, 'a.yaml'));
      const after = await directory.load();
      expect(names(after)).toEqual(['b.yaml']);
      expect(after.faults).toEqual([]);
    });

    it('are none where both say the same, or no node gets both', async () => {
      write('a.yaml', port(1000, 'one'));
      write('b.yaml', port(1000, 'one'));
      expect((await directory.load()).faults).toEqual([]);
      write('a.yaml', port(1000, 'one', 'control: { labels: { tier: gold } }\n'));
      write('b.yaml', port(1000, 'two', 'control: { labels: { tier: free } }\n'));
      expect((await directory.load()).faults).toEqual([]);
    });
  });
});

describe('selectors', () => {
  const of = (gateways: string[], labels = {}): Selector => ({ gateways, labels });

  it.each([
    [[], true],
    [['prod/edge'], true],
    [['prod/*'], true],
    [['*/e*e'], true],
    [['prod/*x'], false],
    [['staging/edge'], false],
    [['prod/edg'], false],
    [['prodd/edge', 'x/edge'], false],
  ])('%j selects prod/edge: %s', (gateways, selects) => {
    expect(selectsGateway(of(gateways), 'prod', 'edge')).toBe(selects);
  });

  it('want every label', () => {
    expect(selectsLabels({ a: '1', b: '2' }, { a: '1', b: '2', c: '3' })).toBe(true);
    expect(selectsLabels({ a: '1', b: '2' }, { a: '1' })).toBe(false);
    expect(selectsLabels({ toString: 'x' }, {})).toBe(false);
  });

  it.each([
    ['a/b*', 'a/*c', true],
    ['a*/x', '*b/x', true],
    ['a*c/x', 'a*d/x', false],
    ['*/x', 'a/y', false],
    ['a/*', 'a/b', true],
    ['**/x', '*/x', true],
  ])('%s and %s may select one node: %s', (one, other, may) => {
    expect(overlap(of([one]), of([other]))).toBe(may);
    expect(overlap(of([other]), of([one]))).toBe(may);
  });

  it('of different values of a label select no node together', () => {
    expect(overlap(of([], { tier: 'gold' }), of([], { tier: 'free' }))).toBe(false);
    expect(overlap(of([], { tier: 'gold' }), of([], { zone: 'a' }))).toBe(true);
  });
});
