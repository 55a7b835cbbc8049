/**
 * Uncompressed sound: mono samples of 16 bits, little-endian, as Gemini and OpenAI have it, bare or in a RIFF WAVE file
 * (http://soundfile.sapp.org/doc/WaveFormat/).
 */
export interface Pcm {
  readonly samples: Buffer;
  /** Hz. */
  readonly rate: number;
}

const HEAD_BYTES = 44;
const CHUNK_HEAD_BYTES = 8;
const FORMAT_BYTES = 16;
const PCM = 1;
const MONO = 1;
const SAMPLE_BYTES = 2;

export function wavOf({ samples, rate }: Pcm): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(HEAD_BYTES - CHUNK_HEAD_BYTES + samples.length, 4);
  head.write('WAVEfmt ', 8, 'latin1');
  head.writeUInt32LE(FORMAT_BYTES, 16);
  head.writeUInt16LE(PCM, 20);
  head.writeUInt16LE(MONO, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(rate * SAMPLE_BYTES, 28);
  head.writeUInt16LE(SAMPLE_BYTES, 32);
  head.writeUInt16LE(SAMPLE_BYTES * 8, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(samples.length, 40);
  return Buffer.concat([head, samples]);
}

export function isWav(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WAVE';
}

/** The samples of a WAVE file; null where it isn't mono of 16 bits, or breaks off before them. */
export function pcmOf(wav: Buffer): Pcm | null {
  let rate = 0;
  let at = 12;
  while (isWav(wav) && at + CHUNK_HEAD_BYTES <= wav.length) {
    const name = wav.toString('latin1', at, at + 4);
    const size = wav.readUInt32LE(at + 4);
    const start = at + CHUNK_HEAD_BYTES;
    if (name === 'fmt ') {
      if (size < FORMAT_BYTES || start + FORMAT_BYTES > wav.length) return null;
      const mono = wav.readUInt16LE(start) === PCM && wav.readUInt16LE(start + 2) === MONO;
      if (!mono || wav.readUInt16LE(start + 14) !== SAMPLE_BYTES * 8) return null;
      rate = wav.readUInt32LE(start + 4);
    } else if (name === 'data') {
      // A file that was written as a stream doesn't know its length.
      return rate === 0 ? null : { samples: wav.subarray(start, Math.min(start + size, wav.length)), rate };
    }
    // Chunks begin at even places.
    at = start + size + (size % 2);
  }
  return null;
}
