import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dataUrl, parseDataUrl } from '../../../../src/adapters/llm/formats/data-url.ts';
import { clientName, safeId, safeName } from '../../../../src/adapters/llm/formats/names.ts';
import { anyBase64, anyId, anyName } from './hub.ts';

describe('names', () => {
  it('keeps what fits', () => {
    fc.assert(
      fc.property(anyName, anyId, (name, id) => {
        expect(safeName(name)).toBe(name);
        expect(safeId(id, 'call_')).toBe(id);
      }),
    );
  });

  it('makes any name fit, and finds the tool it belongs to', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ unit: 'grapheme', maxLength: 100 }), { maxLength: 5 }), (names) => {
        const tools = names.map((name) => ({ kind: 'function' as const, name, parameters: null }));
        for (const name of names) {
          expect(safeName(name)).toMatch(/^[a-zA-Z0-9_-]{1,64}$/);
          expect(clientName(safeName(name), { tools })).toBe(name);
        }
      }),
    );
  });

  it('makes any id fit, within a shorter limit too', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 100 }), (id) => {
        expect(safeId(id, 'call_', 40)).toMatch(/^[a-zA-Z0-9_-]{1,40}$/);
        expect(safeId(id, 'call_', 40)).toBe(safeId(id, 'call_', 40));
      }),
    );
    expect(safeId('a.b', 'call_')).not.toBe(safeId('a:b', 'call_'));
  });

  it('leaves a name alone that no tool has', () => {
    expect(clientName('other', { tools: [] })).toBe('other');
  });
});

describe('data URLs', () => {
  it('are read as they are written', () => {
    const types = fc.constantFrom('image/png', 'application/pdf', 'audio/L16;rate=24000');
    fc.assert(
      fc.property(types, anyBase64, (mediaType, data) => {
        expect(parseDataUrl(dataUrl({ mediaType, data }))).toEqual({ mediaType, data });
      }),
    );
  });

  it.each([
    ['data:text/plain,a%20b', { mediaType: 'text/plain', data: Buffer.from('a b').toString('base64') }],
    ['DATA:image/gif;BASE64,R0lG', { mediaType: 'image/gif', data: 'R0lG' }],
    ['data:;base64,QQ==', { mediaType: 'text/plain', data: 'QQ==' }],
    ['data:image/png', null],
    ['data:,%E0%A4%A', null],
    ['https://example.com/a,b', null],
  ])('reads %s', (url, parsed) => {
    expect(parseDataUrl(url)).toEqual(parsed);
  });
});
