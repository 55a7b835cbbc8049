import { describe, expect, it } from 'vitest';
import { type FieldEdit, MultipartForm, multipartField } from '../../../src/adapters/llm/multipart.ts';

const TYPE = 'multipart/form-data; boundary=bx';

function part(name: string, value: string, more = ''): string {
  return `--bx\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n${value}\r\n`;
}

const FILE = part('file', 'a\r\n--b\0\xff', '; filename="a.wav"\r\nContent-Type: audio/wav');
const END = '--bx--\r\n';

function read(body: string, type = TYPE): MultipartForm | null {
  return MultipartForm.read(Buffer.from(body, 'latin1'), type);
}

describe('a form', () => {
  it.each<[string, string, string, string | null]>([
    ['behind a file', FILE + part('model', 'whisper-1') + END, TYPE, 'whisper-1'],
    ['in front of one', part('model', 'whisper-1') + FILE + END, TYPE, 'whisper-1'],
    ['empty', part('model', '') + END, TYPE, ''],
    ['absent', FILE + END, TYPE, null],
    ['twice', part('model', 'a') + part('model', 'b') + END, TYPE, null],
    ['too long', part('model', 'x'.repeat(1025)) + END, TYPE, null],
    ['a file', part('model', 'x', '; filename="m"') + END, TYPE, null],
    ['behind a preamble', `preamble\r\n${part('model', 'm')}${END}`, TYPE, 'm'],
    ['with a quoted boundary', part('model', 'm') + END, 'multipart/form-data; charset=utf-8; boundary="bx"', 'm'],
    [
      'with a name that is no quoted text',
      part('x', '').replace('"x"', 'model').replace('\r\n\r\n', '\r\n\r\nm') + END,
      TYPE,
      'm',
    ],
    ['without an end', part('model', 'm'), TYPE, null],
    ['without a boundary', part('model', 'm') + END, 'multipart/form-data', null],
    ['of another boundary', part('model', 'm') + END, 'multipart/form-data; boundary=by', null],
    ['without parts', END, TYPE, null],
    ['with a head that does not end', `--bx\r\n${'x'.repeat(5000)}\r\n\r\n\r\n${END}`, TYPE, null],
    ['with too many parts', part('a', '').repeat(300) + part('model', 'm') + END, TYPE, null],
  ])('has its model: %s', (_, body, type, expected) => {
    expect(multipartField(Buffer.from(body, 'latin1'), type, 'model')).toBe(expected);
  });

  it.each<[string, string, FieldEdit[], string]>([
    ['nothing', FILE + END, [], FILE + END],
    [
      'a value',
      FILE + part('model', 'a') + part('n', '1') + END,
      [{ name: 'model', value: 'longer' }],
      FILE + part('model', 'longer') + part('n', '1') + END,
    ],
    [
      'an empty value',
      part('model', '') + FILE + END,
      [{ name: 'model', value: 'm' }],
      part('model', 'm') + FILE + END,
    ],
    ['a new field', FILE + END, [{ name: 'model', value: 'm' }], FILE + part('model', 'm') + END],
    [
      'a field and a new one, in whatever order',
      part('b', '1') + part('a', '2') + END,
      [
        { name: 'a', value: 'A' },
        { name: 'c', value: 'C' },
        { name: 'b', value: 'B' },
      ],
      part('b', 'B') + part('a', 'A') + part('c', 'C') + END,
    ],
    [
      'each of several',
      part('t[]', '1') + part('t[]', '2') + END,
      [{ name: 't[]', value: 'x' }],
      part('t[]', 'x').repeat(2) + END,
    ],
    ['away the first', part('a', '1') + FILE + END, [{ name: 'a', value: null }], FILE + END],
    ['away the last', FILE + part('a', '1') + END, [{ name: 'a', value: null }], FILE + END],
    ['away the first two', part('a', '1').repeat(2) + FILE + END, [{ name: 'a', value: null }], FILE + END],
    ['away what is not there', FILE + END, [{ name: 'a', value: null }], FILE + END],
    [
      'a name that needs escapes',
      FILE + END,
      [{ name: 'a"\r\nb', value: '1' }],
      `${FILE}--bx\r\nContent-Disposition: form-data; name="a%22%0D%0Ab"\r\n\r\n1\r\n${END}`,
    ],
  ])('sets %s, and leaves every other byte', (_, body, edits, expected) => {
    expect(read(body)?.encode(edits).toString('latin1')).toBe(expected);
  });

  it('has its short texts at hand, but neither files nor what occurs twice', () => {
    const body = FILE + part('model', 'm') + part('t', '1') + part('t', '2') + part('prompt', 'ä') + END;
    expect(MultipartForm.read(Buffer.from(body), TYPE)?.texts()).toEqual({ model: 'm', prompt: 'ä' });
  });
});
