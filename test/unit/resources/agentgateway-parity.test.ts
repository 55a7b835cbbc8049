import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { buildCatalogue } from '../../../src/catalogue.ts';
import { buildConfigSchema } from '../../../src/resources/schema/index.ts';
import { type JsonSchema, jsonSchema } from '../../../src/resources/schema/json-schema.ts';
import { InstanceMaker } from './schema-instances.ts';
import { compareSchemas } from './schema-parity.ts';

/** agentgateway's own schema and example configurations; not part of this repository. */
const FIXTURES = fileURLToPath(new URL('../../../../shared/fixtures/agentgateway/', import.meta.url));
const present = existsSync(`${FIXTURES}config.schema.json`);

const catalogue = buildCatalogue();
const schema = buildConfigSchema(catalogue);
const own = jsonSchema(catalogue);

/** Where this project takes more than agentgateway, beside fields marked as its own. */
const EXTENSIONS = [
  // Names of our own providers, which in a list of literals can't carry a mark.
  /^\$\.llm\.(?:models|providers)\[\]\.provider has the literal (?:demo|openAIOrDemo|anthropicOrDemo|vllm|sglang|llamacpp|lmstudio|perplexity|nvidia) of its own$/,
  // APIs that agentgateway only passes on.
  /(?:\.ai\.routes\.\*|\.custom\.formats\[\]\.type) has the literal (?:textCompletions|converse|invoke|bedrockCountTokens|cohereRerank|cohereEmbed|embedContent|batchEmbedContents) of its own$/,
  // Limits of `llm` take the conditional form, as they do on routes.
  /^\$\.llm\.policies\.(?:local|remote)RateLimit has the (?:field|kind) (?:conditional|object) of its own$/,
  // Open objects there, whose known fields are described here.
  /^\$\.(?:services|workloads)\[\] has the field \w+ of its own$/,
];

describe.runIf(present)('parity with agentgateway', () => {
  const reference = present ? (JSON.parse(readFileSync(`${FIXTURES}config.schema.json`, 'utf8')) as JsonSchema) : {};

  it('has the same fields, kinds, literals and requirements everywhere', () => {
    const differences = compareSchemas(reference, own)
      .map(({ path, what }) => `${path} ${what}`)
      .filter((difference) => !EXTENSIONS.some((extension) => extension.test(difference)));
    expect(differences).toEqual([]);
  });

  const configs = present ? readdirSync(`${FIXTURES}configs`).filter((name) => name.endsWith('.yaml')) : [];
  const validate = new Ajv2020({ strict: false, allErrors: true }).compile(own as object);

  it.each(configs)('accepts the example %s', (name) => {
    const document = parse(readFileSync(`${FIXTURES}configs/${name}`, 'utf8')) ?? {};
    const result = schema.safeParse(document);
    expect(result.success ? [] : result.error.issues).toEqual([]);
    validate(document);
    expect(validate.errors ?? []).toEqual([]);
  });

  it('accepts what its schema accepts', () => {
    const accepts = new Ajv2020({ strict: false, formats: FORMATS }).compile(reference as object);
    let made = 0;
    for (let seed = 1; seed <= 400; seed++) {
      const document = new InstanceMaker(reference, seed).make();
      if (!accepts(document)) continue;
      made++;
      const result = schema.safeParse(document);
      expect(result.success ? [] : result.error.issues, `seed ${seed}: ${JSON.stringify(document)}`).toEqual([]);
      validate(document);
      expect(validate.errors ?? [], `seed ${seed}`).toEqual([]);
    }
    expect(made).toBeGreaterThan(200);
  });
});

/** Formats of the reference that say nothing beyond the kind. */
const FORMATS = Object.fromEntries(
  ['uint', 'uint8', 'uint16', 'uint32', 'uint64', 'int32', 'double', 'const'].map((name) => [name, true] as const),
);
