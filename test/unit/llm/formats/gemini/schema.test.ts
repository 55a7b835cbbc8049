import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromGoogleSchema, toGeminiSchema } from '../../../../../src/adapters/llm/formats/gemini/schema.ts';
import { anyJsonObject, anySchema } from '../hub.ts';

test("Google's Schema as JSON Schema", () => {
  const schema = {
    type: 'OBJECT',
    propertyOrdering: ['b', 'a'],
    properties: {
      a: { type: 'ARRAY', items: { type: 'STRING', format: 'enum', enum: ['x'], nullable: true }, minItems: '1' },
      b: { anyOf: [{ type: 'INTEGER' }, { type: 'NUMBER', minimum: 0 }], nullable: true },
    },
    required: ['a'],
  };
  const json = fromGoogleSchema(schema);
  expect(json).toEqual({
    type: 'object',
    properties: {
      b: { anyOf: [{ type: 'integer' }, { type: 'number', minimum: 0 }, { type: 'null' }] },
      a: { type: 'array', items: { type: ['string', 'null'], format: 'enum', enum: ['x', null] }, minItems: 1 },
    },
    required: ['a'],
  });
  expect(Object.keys(json.properties as object)).toEqual(['b', 'a']);
});

test.each([
  [{ $schema: 'x', type: 'string' }, { type: 'string' }],
  [{ const: 'a' }, { enum: ['a'] }],
  [
    { $ref: '#/definitions/A', description: 'd', definitions: { A: { const: 1 } } },
    { description: 'd', $defs: { A: { enum: [1] } }, anyOf: [{ $ref: '#/$defs/A' }] },
  ],
  [
    { $ref: '#/$defs/A', $defs: { A: {} } },
    { $ref: '#/$defs/A', $defs: { A: {} } },
  ],
  [
    {
      allOf: [
        { properties: { a: {} }, required: ['a'] },
        { properties: { b: {} }, required: ['b'] },
      ],
      type: 'object',
    },
    { type: 'object', properties: { a: {}, b: {} }, required: ['a', 'b'] },
  ],
  [{ allOf: [{ type: 'string' }, { type: 'number' }] }, { allOf: [{ type: 'string' }, { type: 'number' }] }],
  [
    { properties: { const: { type: 'string' }, $ref: { const: 1 } } },
    { properties: { const: { type: 'string' }, $ref: { enum: [1] } } },
  ],
])('%j for Gemini', (schema, expected) => {
  expect(toGeminiSchema(schema)).toEqual(expected);
});

test('what Gemini takes stays as it is, and nothing makes either throw', () => {
  fc.assert(
    fc.property(anySchema, anyJsonObject, (schema, any) => {
      expect(toGeminiSchema(schema)).toEqual(schema);
      fromGoogleSchema(any);
      toGeminiSchema(any);
    }),
  );
});
