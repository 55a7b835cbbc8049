import { expect, test } from 'vitest';
import { isSendable, responseFields, sendableFields } from '../../../src/workers/drivers/reply-fields.ts';
import { readTrailers } from '../../../src/workers/drivers/trailers.ts';

test('the same array where nothing is to be removed', () => {
  const fields = ['content-type', 'a', 'content-length', '1'];
  expect(responseFields(200, fields)).toBe(fields);
});

test("without the connection's own, and without a length on 204", () => {
  const fields = ['connection', 'x', 'a', '1', 'transfer-encoding', 'chunked', 'content-length', '0', 'upgrade', 'h2c'];
  expect(responseFields(204, fields)).toEqual(['a', '1']);
  expect(responseFields(200, fields)).toEqual(['a', '1', 'content-length', '0']);
});

test('text beyond Latin-1 goes as UTF-8 bytes, what would split is left out', () => {
  expect(sendableFields(['a', '\u20ac', 'b', 'x\r\ny: z', 'c d', 'v', 'e', 'caf\u00e9'])).toEqual([
    'a',
    '\u00e2\u0082\u00ac',
    'e',
    'caf\u00e9',
  ]);
  expect(isSendable('a', 'x\0')).toBe(false);
  expect(isSendable('', 'x')).toBe(false);
});

test('trailers that would change framing or routing are dropped', () => {
  expect(readTrailers(['X-Sum', '1', 'Content-Length', '3', 'HOST', 'x', 'grpc-status', '0'])).toEqual([
    'x-sum',
    '1',
    'grpc-status',
    '0',
  ]);
});
