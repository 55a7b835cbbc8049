/** Forms as clients send them. */

export const FORM_HEADERS = ['content-type', 'multipart/form-data; boundary=bx'];

export interface FormPart {
  readonly name: string;
  readonly value: string | Buffer;
  /** A file, then. */
  readonly filename?: string;
  readonly type?: string;
}

export function formOf(parts: readonly FormPart[]): Buffer {
  const pieces = parts.flatMap(({ name, value, filename, type }) => {
    const file = filename === undefined ? '' : `; filename="${filename}"`;
    const typed = type === undefined ? '' : `\r\nContent-Type: ${type}`;
    const head = `--bx\r\nContent-Disposition: form-data; name="${name}"${file}${typed}\r\n\r\n`;
    return [Buffer.from(head), Buffer.from(value), Buffer.from('\r\n')];
  });
  return Buffer.concat([...pieces, Buffer.from('--bx--\r\n')]);
}

export const PNG = Buffer.from('\x89PNG\r\n\x1a\nimage', 'latin1');
export const WAV = Buffer.from('RIFF\x08\0\0\0WAVEsound', 'latin1');
