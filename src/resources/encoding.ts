import type { Resource } from './types.ts';

/** Resources as the bytes in which they wait to be put into force and in which workers read them: JSON in UTF-8. */
export function encodeResource(resource: Resource): Uint8Array {
  return Buffer.from(JSON.stringify(resource));
}

/** `bytes` may be shared memory, from which TextDecoder does not read. */
export function decodeResource(bytes: Uint8Array): Resource {
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()) as Resource;
}
