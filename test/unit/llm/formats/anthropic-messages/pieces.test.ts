import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anthropicMessagesCodec as codec } from '../../../../../src/adapters/llm/formats/anthropic-messages/codec.ts';
import { MemberReader } from '../../../../../src/adapters/llm/formats/claude/member-reader.ts';
import { traitsOf } from '../../../../../src/adapters/llm/formats/claude/models.ts';
import { nativeSchema } from '../../../../../src/adapters/llm/formats/claude/schema.ts';
import { anyCuts, anyJson, anyName, anySchema, asJson } from '../hub.ts';

function read(reader: MemberReader, pieces: readonly string[]): string {
  return pieces.map((piece) => reader.write(piece)).join('') + reader.end();
}

describe('the only member of an object', () => {
  const space = fc.constantFrom('', ' ', '\n\t');

  it('is read as text, wherever the JSON is cut', () => {
    const input = fc.tuple(anyName, fc.string({ unit: 'binary' }), space);
    const cut = input.chain(([name, value, gap]) =>
      anyCuts(`${gap}{${gap}"${name}"${gap}:${gap}${JSON.stringify(value)}${gap}}${gap}`).map((pieces) => ({
        value,
        pieces,
      })),
    );
    fc.assert(
      fc.property(cut, ({ value, pieces }) => {
        expect(read(new MemberReader('text'), pieces)).toBe(value);
      }),
      { numRuns: 300 },
    );
  });

  it('is read as JSON, wherever the JSON is cut', () => {
    const cut = fc.tuple(anyName, anyJson, space).chain(([name, value, gap]) =>
      anyCuts(`{${gap}"${name}"${gap}:${gap}${JSON.stringify(value)}${gap}}${gap}`).map((pieces) => ({
        value,
        pieces,
      })),
    );
    fc.assert(
      fc.property(cut, ({ value, pieces }) => {
        expect(JSON.parse(read(new MemberReader('json'), pieces))).toEqual(asJson(value));
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['[1]', '[1]'],
    ['{"a":1}', '{"a":1}'],
    ['{a', '{a'],
    [`{"${'x'.repeat(300)}`, `{"${'x'.repeat(300)}`],
    ['{"a"', '{"a"'],
  ])('is passed on as it is where it is no text: %s', (json, passed) => {
    expect(read(new MemberReader('text'), [json])).toBe(passed);
  });

  it('comes at once', () => {
    const reader = new MemberReader('text');
    expect(['{"input":"a', 'b', '\\', 'n', 'c"', '}'].map((piece) => reader.write(piece))).toEqual([
      'a',
      'b',
      '',
      '\n',
      'c',
      '',
    ]);
  });
});

describe('models', () => {
  it.each([
    ['claude-2.1', { schemas: false, adaptive: false, budget: false, mostTokens: 4096 }],
    ['claude-instant-1.2', { schemas: false, budget: false, mostTokens: 4096 }],
    ['claude-3-opus-20240229', { budget: false, mostTokens: 4096 }],
    ['anthropic.claude-3-5-sonnet-20241022-v2:0', { budget: false, mostTokens: 8192 }],
    ['claude-3-7-sonnet@20250219', { budget: true, adaptive: false, mostTokens: 64_000 }],
    ['claude-4-sonnet-20250514', { schemas: false, budget: true, bothOfSampling: true }],
    ['claude-opus-4-1-20250805', { schemas: false, budget: true, bothOfSampling: false, mostTokens: 32_000 }],
    ['anthropic/claude-opus-4.5', { schemas: true, efforts: ['low', 'medium', 'high'] }],
    ['claude-haiku-4-5-20251001', { schemas: true, efforts: [], adaptive: false }],
    ['us.anthropic.claude-opus-4-6-v1', { schemas: true, budget: true, adaptive: true, sampling: true }],
    ['claude-opus-4-7', { budget: false, adaptive: true, sampling: false, thinksWhenForced: false }],
    ['CLAUDE-SONNET-5', { adaptive: true, sampling: false, disables: true, thinksWhenForced: true }],
    ['claude-mythos-preview', { adaptive: true, disables: false, sampling: false }],
    ['my-deployment', { schemas: true, budget: true, adaptive: true, sampling: true }],
    ['claude', { schemas: true, sampling: true }],
  ])('%s', (model, traits) => {
    expect(traitsOf(model, 'anthropic')).toMatchObject(traits);
  });
});

describe('schemas of structured outputs', () => {
  it('stay as they are where they fit', () => {
    fc.assert(
      fc.property(anySchema, (schema) => {
        expect(nativeSchema(schema)).toEqual(schema);
      }),
    );
  });

  it('are closed and told of what can not be checked', () => {
    const name = { type: 'string', description: 'N', maxLength: 5, format: 'email' };
    const list = {
      type: 'array',
      items: { oneOf: [{ $ref: '#/$defs/d' }, { type: 'string', format: 'phone' }] },
      minItems: 2,
    };
    const schema = {
      type: 'object',
      properties: { name, list },
      additionalProperties: true,
      $defs: { d: { type: 'object', properties: { x: true } } },
    };
    expect(nativeSchema(schema)).toEqual({
      type: 'object',
      properties: {
        name: { type: 'string', description: 'N (maxLength: 5)', format: 'email' },
        list: {
          type: 'array',
          items: { anyOf: [{ $ref: '#/$defs/d' }, { type: 'string', description: '(format: "phone")' }] },
          description: '(minItems: 2)',
        },
      },
      additionalProperties: false,
      $defs: { d: { type: 'object', properties: { x: true }, additionalProperties: false } },
    });
  });

  it.each([
    { type: 'object' },
    { type: 'object', additionalProperties: { type: 'string' } },
    { type: 'array', items: { type: 'object', properties: {}, additionalProperties: true } },
    { anyOf: [{ type: 'object' }] },
  ])('are none where any names are allowed: %j', (schema) => {
    expect(nativeSchema(schema)).toBeNull();
  });

  it('are not looked through without end', () => {
    let deep: Record<string, unknown> = { type: 'string' };
    for (let i = 0; i < 100_000; i++) deep = { type: 'array', items: deep };
    expect(nativeSchema(deep)).toBeNull();
  });
});

describe('errors', () => {
  const fault = { status: 400, message: 'Bad', type: 'invalid_request_error', code: '', param: '' };

  it('are read and written with the id of the request', () => {
    const body = { type: 'error', error: { type: 'invalid_request_error', message: 'Bad' }, request_id: 'req_1' };
    expect(codec.decodeFault(400, body, '')).toEqual({ ...fault, requestId: 'req_1' });
    expect(codec.encodeFault({ ...fault, requestId: 'req_1' })).toEqual({ headers: [], body });
  });

  it.each([
    [400, 'invalid_request_error'],
    [401, 'authentication_error'],
    [402, 'billing_error'],
    [403, 'permission_error'],
    [404, 'not_found_error'],
    [409, 'conflict_error'],
    [413, 'request_too_large'],
    [422, 'invalid_request_error'],
    [429, 'rate_limit_error'],
    [500, 'api_error'],
    [502, 'api_error'],
    [503, 'overloaded_error'],
    [504, 'timeout_error'],
    [529, 'overloaded_error'],
  ])('of status %i are called %s', (status, type) => {
    const { body } = codec.encodeFault({ ...fault, status, type: 'some_other' });
    expect(body).toEqual({ type: 'error', error: { type, message: 'Bad' } });
  });

  it.each([
    [{ error: 'plain' }, '', 'plain'],
    [{ message: 'top' }, '', 'top'],
    [null, '<html>', '<html>'],
    [null, '', 'The provider gave no reason.'],
  ])('have a message whatever they are: %j', (body, text, message) => {
    expect(codec.decodeFault(502, body, text)).toMatchObject({ status: 502, message, type: '' });
  });

  it('tell their code', () => {
    const error = { type: 'invalid_request_error', message: 'm', details: { error_code: 'tool_name_conflict' } };
    expect(codec.decodeFault(400, { error }, '').code).toBe('tool_name_conflict');
  });
});
