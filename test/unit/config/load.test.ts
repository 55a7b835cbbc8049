import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { check } from '../../../src/cli/check.ts';
import { formatPath } from '../../../src/config/fault.ts';
import { ConfigSource } from '../../../src/config/index.ts';
import { Lines } from '../../../src/config/lines.ts';
import { editDistance, nearest } from '../../../src/resources/did-you-mean.ts';
import { CATALOGUE, directoryWith, faultsOf, load } from './support.ts';

const CERT = readFileSync(new URL('../../fixtures/config/tls/cert.pem', import.meta.url), 'utf8');
const KEY = readFileSync(new URL('../../fixtures/config/tls/key.pem', import.meta.url), 'utf8');

describe('files', () => {
  it('are read beside the configuration, trimmed of one line break, and remembered', async () => {
    const text = 'backends: [{name: a, host: "a:1", policies: {backendAuth: {key: {file: sub/key}}}}]';
    const directory = await directoryWith({ 'config.yaml': text, 'sub/key': 'secret\n\n' });
    const path = join(directory, 'config.yaml');
    const { resources, files } = await new ConfigSource(path, CATALOGUE).load();
    expect(resources[0]).toMatchObject({ policies: { backendAuth: { key: 'secret\n' } } });
    expect(files).toEqual([path, join(directory, 'sub/key')]);
  });

  it('fall back to the working directory', async () => {
    const directory = await directoryWith({ 'config.yaml': '' });
    const name = `sluice-cwd-${process.pid}`;
    await mkdir(name);
    try {
      await writeFile(join(name, 'key'), 'from-cwd');
      const text = `backends: [{name: a, host: "a:1", policies: {backendAuth: {key: {file: ${name}/key}}}}]`;
      await writeFile(join(directory, 'config.yaml'), text);
      const { resources } = await new ConfigSource(join(directory, 'config.yaml'), CATALOGUE).load();
      expect(resources[0]).toMatchObject({ policies: { backendAuth: { key: 'from-cwd' } } });
    } finally {
      await rm(name, { recursive: true });
    }
  });

  it('give certificates to listeners and to backends', async () => {
    const text = `
binds:
- port: 443
  listeners:
  - protocol: HTTPS
    tls: {cert: tls/cert.pem, key: tls/key.pem, root: tls/cert.pem, minTLSVersion: TLS_V1_3}
    routes:
    - backends:
      - host: a:443
        policies: {backendTLS: {root: tls/cert.pem}}
`;
    const { resources } = await load(text, { files: { 'tls/cert.pem': CERT, 'tls/key.pem': KEY } });
    const listener = resources.find((one) => one.kind === 'listener');
    expect(listener?.tls).toMatchObject({
      cert: CERT.trimEnd(),
      key: KEY.trimEnd(),
      root: CERT.trimEnd(),
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      alpn: ['h2', 'http/1.1'],
    });
    expect(resources.find((one) => one.kind === 'bind')?.protocol).toBe('tls');
    const route = resources.find((one) => one.kind === 'route');
    expect(route?.backends[0]?.policies.backendTLS).toMatchObject({ root: CERT.trimEnd() });
  });

  it('are not read where a mapping merely has a key named file', async () => {
    const text = 'llm: {models: [{name: a, provider: openAI, defaults: {user: {file: /etc/passwd}}}]}';
    const { resources, files } = await load(text);
    expect(files).toHaveLength(1);
    expect(JSON.stringify(resources)).toContain('{"file":"/etc/passwd"}');
  });

  it('are refused when they are no regular files', async () => {
    const text = 'backends: [{name: a, host: "a:1", policies: {backendAuth: {key: {file: /dev/zero}}}}]';
    expect(await faultsOf(text)).toEqual([
      '1:66: backends[0].policies.backendAuth.key.file: cannot read the file "/dev/zero": it is not a regular file',
    ]);
  });
});

describe('TLS of listeners', () => {
  it('takes its defaults from frontendPolicies', async () => {
    const text = `
frontendPolicies: {tls: {alpn: [http/1.1], minVersion: TLS_V1_3}}
gateways: {web: {port: 443, tls: {cert: tls/cert.pem, key: tls/key.pem}}}
`;
    const { resources } = await load(text, { files: { 'tls/cert.pem': CERT, 'tls/key.pem': KEY } });
    const listener = resources.find((one) => one.kind === 'listener');
    expect(listener).toMatchObject({ protocol: 'HTTPS', tls: { alpn: ['http/1.1'], minVersion: 'TLSv1.3' } });
  });

  it('names what it is not served with', async () => {
    const text = `
binds:
- port: 443
  listeners:
  - {name: spiffe, protocol: HTTPS, hostname: a, tls: {spiffe: {}}}
  - {name: minted, protocol: HTTPS, hostname: b, tls: {mode: dynamicCa, cert: tls/cert.pem, key: tls/key.pem}}
  - {name: raw, protocol: TLS, hostname: c}
`;
    const { resources, notices } = await load(text, { files: { 'tls/cert.pem': CERT, 'tls/key.pem': KEY } });
    const listeners = resources.filter((one) => one.kind === 'listener');
    expect(listeners.map(({ tls, inactive }) => [tls, inactive])).toEqual([
      [null, ['tls.spiffe']],
      [null, ['tls.mode dynamicCa']],
      [null, ['protocol TLS']],
    ]);
    expect(notices.map(({ path, protects }) => [path, protects])).toEqual([
      ['binds[0].listeners[0].tls.spiffe', true],
      ['binds[0].listeners[1].tls.mode', true],
      ['binds[0].listeners[2].protocol', false],
    ]);
  });
});

describe('YAML', () => {
  it('may be JSON', async () => {
    const { resources } = await load('{"backends": [{"name": "a", "host": "a:1"}]}');
    expect(resources).toHaveLength(1);
  });

  it('may repeat itself by anchors and merge keys, thousands of times', async () => {
    const routes = Array.from({ length: 3000 }, (_, index) => `  - {<<: *route, name: r${index}}`).join('\n');
    const text = `
binds:
- port: 1
  listeners:
  - routes:
    - &route {name: first, backends: [{host: "a:1"}]}
routeGroups:
- name: g
  routes:
${routes}
`;
    const { resources } = await load(text);
    expect(resources.filter(({ kind }) => kind === 'route')).toHaveLength(3001);
  });

  it('keeps expressions as they are written', async () => {
    const rule = 'jwt.sub == "a" && request.headers["x"].startsWith("b")';
    const text = `binds: [{port: 1, listeners: [{policies: {authorization: {rules: ['${rule}']}}}]}]`;
    const { resources } = await load(text);
    expect(resources.find((one) => one.kind === 'listener')?.policies).toEqual({ authorization: { rules: [rule] } });
  });
});

describe('sluice check', () => {
  async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
    const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    const err = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    try {
      const code = await check(argv);
      const text = (spy: typeof out) => spy.mock.calls.map(([chunk]) => String(chunk)).join('');
      return { code, out: text(out), err: text(err) };
    } finally {
      out.mockRestore();
      err.mockRestore();
    }
  }

  it('sums up a good configuration and lists what is not active', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-check-'));
    try {
      const path = join(directory, 'config.yaml');
      await writeFile(path, 'binds: [{port: 1, listeners: [{routes: [{backends: [{dynamic: {}}]}]}]}]');
      const { code, out, err } = await run('-f', path);
      expect(err).toBe('');
      expect(code).toBe(0);
      expect(out).toBe(
        `${path}:1:54: binds[0].listeners[0].routes[0].backends[0].dynamic: accepted, not yet active\n` +
          `${path}: ok: 1 bind, 1 listener, 1 route, 1 backend, 0 models, 1 not yet active\n`,
      );
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('exits 1 with one line a fault', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-check-'));
    try {
      const path = join(directory, 'config.yaml');
      await writeFile(path, 'bind: []\nconfig:\n  adminAdr: x\n');
      const { code, out, err } = await run('-f', path);
      expect(code).toBe(1);
      expect(out).toBe('');
      expect(err.trimEnd().split('\n')).toEqual([
        `${path}:1:1: bind: unknown field "bind"; did you mean "binds"?`,
        `${path}:3:3: config.adminAdr: unknown field "adminAdr"; did you mean "adminAddr"?`,
      ]);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('exits 1 for a file that is not there and 2 for wrong arguments', async () => {
    expect((await run('-f', '/nonexistent/config.yaml')).code).toBe(1);
    expect((await run()).code).toBe(2);
    expect((await run('--what')).code).toBe(2);
  });
});

describe('suggestions', () => {
  it('count an exchange of neighbours as one slip', () => {
    expect(editDistance('cros', 'cors', 3)).toBe(1);
    expect(editDistance('kitten', 'sitting', 5)).toBe(3);
    expect(editDistance('abc', 'xyz', 1)).toBe(2);
  });

  it('find the nearest name and none that is far', () => {
    expect(nearest('requesttimeout', ['requestTimeout', 'backendRequestTimeout'])).toBe('requestTimeout');
    expect(nearest('request_timeout', ['requestTimeout'])).toBe('requestTimeout');
    expect(nearest('banana', ['requestTimeout'])).toBeUndefined();
  });

  it('measure a metric', () => {
    const word = fc.stringMatching(/^[ab]{0,6}$/);
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b, 10)).toBe(editDistance(b, a, 10));
        expect(editDistance(a, b, 10) === 0).toBe(a === b);
        expect(editDistance(a, b, 10)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});

describe('positions', () => {
  it('are where a plain count of lines puts them', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a\n]{0,40}$/), (text) => {
        const lines = new Lines(text);
        let line = 1;
        let column = 1;
        for (let offset = 0; offset <= text.length; offset++) {
          expect(lines.at(offset)).toEqual({ line, column });
          if (text[offset] === '\n') {
            line++;
            column = 1;
          } else column++;
        }
      }),
    );
  });

  it('write paths with indexes and quoted keys', () => {
    expect(formatPath(['a', 0, 'b c', 'd'])).toBe('a[0]["b c"].d');
  });
});
