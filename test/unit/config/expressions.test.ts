import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { buildCatalogue } from '../../../src/catalogue.ts';
import { ConfigError, ConfigSource, formatFault } from '../../../src/config/index.ts';
import { ExpressionFinder } from '../../../src/resources/schema/expressions.ts';
import { buildConfigSchema } from '../../../src/resources/schema/index.ts';
import { type JsonSchema, jsonSchema } from '../../../src/resources/schema/json-schema.ts';

/** Expressions are compiled wherever they stand, with the real policies. */
const catalogue = buildCatalogue();

async function faults(text: string): Promise<string[]> {
  try {
    await new ConfigSource('c.yaml', catalogue, { text, env: { TENANT: 'acme' } }).load();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map(formatFault);
  }
  return [];
}

/** `routes` of a configuration whose only route has these lines of policies, eight columns in. */
function withPolicies(...lines: string[]): string {
  const policies = lines.map((line) => `        ${line}`).join('\n');
  return `binds:
- port: 18000
  listeners:
  - routes:
    - policies:
${policies}
      backends:
      - host: 127.0.0.1:1
`;
}

type Path = (string | number)[];

/** Paths of every field that the JSON schema says is an expression; `*` stands for a name of one's own. */
function expressionPaths(schema: JsonSchema): Path[] {
  const found: Path[] = [];
  const visit = (node: JsonSchema, path: Path, refs: readonly string[]): void => {
    if (node['x-cel'] === true) found.push(path);
    if (node.$ref !== undefined) {
      const name = node.$ref.split('/').at(-1) ?? '';
      const target = schema.$defs?.[name];
      // A definition that refers to itself says the same again further down.
      if (target !== undefined && !refs.includes(name)) visit(target, path, [...refs, name]);
    }
    for (const option of [...(node.anyOf ?? []), ...(node.oneOf ?? []), ...(node.allOf ?? [])])
      visit(option, path, refs);
    for (const [name, field] of Object.entries(node.properties ?? {})) visit(field, [...path, name], refs);
    if (typeof node.additionalProperties === 'object') visit(node.additionalProperties, [...path, '*'], refs);
    if (node.items !== undefined) visit(node.items, [...path, 0], refs);
  };
  visit(schema, [], []);
  return found;
}

/** A value that holds `text` at `path` and nothing else. */
function valueAt(path: Path, text: string): unknown {
  return path.reduceRight<unknown>((value, key) => (typeof key === 'number' ? [value] : { [key]: value }), text);
}

describe('every field of the JSON schema that is an expression', () => {
  const paths = expressionPaths(jsonSchema(catalogue));
  const finder = new ExpressionFinder(buildConfigSchema(catalogue));

  it('is found in a configuration', () => {
    expect(paths.length).toBeGreaterThan(300);
    const missed = paths.filter((path) => {
      const found = finder.find(valueAt(path, 'request.nothing'));
      return found.length !== 1 || found[0]?.text !== 'request.nothing' || found[0].path.join('.') !== path.join('.');
    });
    expect(missed.map((path) => path.join('.'))).toEqual([]);
  });

  it.each([
    ['binds.0.listeners.0.routes.0.policies.transformations.request.set.*'],
    ['binds.0.listeners.0.routes.0.policies.transformations.conditional.0.condition'],
    ['binds.0.listeners.0.routes.0.backends.0.policies.authorization.rules.0'],
    ['routes.0.policies.authorization.rules.0.deny'],
    ['routes.0.policies.mcpAuthorization.rules.0.require'],
    ['routes.0.policies.extAuthz.cache.ttl'],
    ['llm.models.0.transformation.*'],
    ['llm.models.0.finalTransformation.*'],
    ['llm.models.0.authorization.rules.0.allow'],
    ['llm.models.0.health.unhealthyExpression'],
    ['llm.providers.0.defaults.transformation.*'],
    ['llm.virtualModels.0.routing.conditional.targets.0.when'],
    ['llm.policies.authorization.rules.0'],
    ['mcp.policies.authorization.rules.0'],
    ['ui.policies.authorization.rules.0'],
    ['policies.0.policy.authorization.rules.0'],
    ['frontendPolicies.accessLog.add.*'],
    ['frontendPolicies.tracing.filter'],
    ['frontendPolicies.tracing.randomSampling'],
    ['frontendPolicies.networkAuthorization.rules.0'],
    ['config.standardAttributes.user'],
    ['config.tracing.clientSampling'],
    ['config.metrics.fields.add.*'],
    ['config.logging.filter'],
  ])('%s is one of them', (path) => {
    expect(paths.map((one) => one.join('.'))).toContain(path);
  });
});

describe('a text that is no expression', () => {
  const rule = (text: string) => withPolicies('authorization:', '  rules:', `  - ${text}`);

  it.each([
    ['plain', 'request.path == "/a" && nope == 1', '8:37'],
    ['in single quotes, past a doubled one', `'request.path == ''/a'' && nope == 1'`, '8:40'],
    ['in double quotes, past escapes', '"request.path == \\"/a\\" && \\x6eope == 1"', '8:40'],
    ['below deny', 'deny: nope == 1', '8:19'],
    ['behind a variable of the environment', 'request.headers["x"] == "$TENANT" && nope == 1', '8:50'],
    ['a flow mapping', '{allow: "nope == 1"}', '8:22'],
  ])('%s: the line and column of what is wrong', async (_, text, place) => {
    const [fault, ...more] = await faults(rule(text));
    expect(more).toEqual([]);
    expect(fault).toContain(`c.yaml:${place}: binds[0].listeners[0].routes[0].policies.authorization.rules[0]`);
    expect(fault).toContain('not an expression: ');
    expect(fault).toContain('nope');
  });

  it('in a literal block: the line and column in the block', async () => {
    const [fault] = await faults(
      withPolicies('authorization:', '  rules:', '  - |', '    request.path == "/" &&', '      nope == 1'),
    );
    expect(fault).toContain('c.yaml:10:15:');
  });

  it('folded: where it begins, and the place inside the text', async () => {
    const [fault] = await faults(
      withPolicies('authorization:', '  rules:', '  - >-', '    request.path == "/"', '    && nope == 1'),
    );
    expect(fault).toContain('c.yaml:8:13:');
    expect(fault).toContain('(line 1, column 24 of the text)');
  });

  it('is said of every place that has it, along with all else that is wrong', async () => {
    const yaml = withPolicies(
      'authorization:',
      '  rules: ["nope == 1"]',
      'directResponse: {status: 700}',
      'transformations:',
      '  request: {set: {x-a: "nope == 1"}}',
    );
    const said = await faults(yaml);
    expect(said).toHaveLength(3);
    expect(said[0]).toContain('authorization.rules[0]');
    expect(said[1]).toContain('700 is not a status');
    expect(said[2]).toContain('transformations.request.set.x-a');
  });

  it('is refused in policies that are not executed', async () => {
    const yaml = withPolicies('mcpAuthorization:', '  rules: ["mcp.tool.nme == 1"]');
    expect(await faults(yaml)).toEqual([expect.stringContaining('mcpAuthorization.rules[0]: not an expression')]);
  });
});

describe('what is no expression although one may stand there', () => {
  it.each(['2s', '500ms', 'random() < 0.5 ? 500 : 0', '"1s"'])('delay of %s', async (text) => {
    expect(await faults(withPolicies(`delay: {duration: ${JSON.stringify(text)}}`))).toEqual([]);
  });
});

describe('functions of the configuration', () => {
  const rules = withPolicies('authorization:', '  rules: ["isInternal(request.host)"]');

  it('are known to its expressions, and to no other configuration', async () => {
    const own = 'config:\n  customFunctions: |\n    isInternal(host) { host.endsWith(".internal") }\n';
    expect(await faults(own + rules)).toEqual([]);
    expect(await faults(rules)).toEqual([expect.stringContaining('isInternal')]);
    expect(await faults(own + rules)).toEqual([]);
  });

  it('are those of the start: a change that needs others is refused', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-'));
    const file = join(directory, 'c.yaml');
    try {
      const source = new ConfigSource(file, catalogue, { env: {} });
      const both = `config:\n  customFunctions: "isInternal(host) { true }"\n${rules}`;
      await writeFile(file, '{}');
      await source.load();
      await writeFile(file, both);
      await expect(source.load()).rejects.toThrow('restart to use its change');
      await writeFile(file, 'config:\n  customFunctions: "isInternal(host) { true }"\n');
      await source.load();
      await new ConfigSource(file, catalogue, { env: {} }).load();
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('are checked themselves, with their place', async () => {
    const own = 'config:\n  customFunctions: |\n    isInternal(host) {\n      host.endsWit(".internal")\n    }\n';
    expect(await faults(own + rules)).toEqual([expect.stringMatching(/^c\.yaml:4:1[12]: config\.customFunctions: /)]);
  });
});

describe('config.logging, which older configurations change the access log by', () => {
  const load = async (more: string) => {
    const text = `config: {logging: {filter: "false", fields: {add: {a: "1"}, remove: [b]}}}\n${more}`;
    const { resources, notices } = await new ConfigSource('c.yaml', catalogue, { text, env: {} }).load();
    const frontend = resources.find(({ kind }) => kind === 'frontend') as
      | { policies: Record<string, unknown> }
      | undefined;
    return { accessLog: frontend?.policies.accessLog, notes: notices.map(({ path }) => path) };
  };

  it('is the policy accessLog', async () => {
    const accessLog = { filter: 'false', add: { a: '1' }, remove: ['b'] };
    expect(await load('')).toEqual({ accessLog, notes: [] });
  });

  it('says so where that is given too', async () => {
    const { accessLog, notes } = await load('frontendPolicies: {accessLog: {filter: "true"}}');
    expect(accessLog).toMatchObject({ filter: 'true' });
    expect(notes).toEqual(['config.logging.filter', 'config.logging.fields']);
  });
});
