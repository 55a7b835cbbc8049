import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';
import type { WireMessage } from '../../resources/wire.ts';

/** Where the proto files are, beside `src/` and `dist/` alike. */
const DIRECTORY = new URL('../../../proto/', import.meta.url);

/** How messages are given to the rest of the room: the protos' names, enums by name, nothing that is at its default. */
const PLAIN: protobuf.IConversionOptions = { enums: String, longs: Number };

/** A message type: bytes ↔ plain object. */
export interface MessageType<Message extends object = WireMessage> {
  /** Throws where the bytes are no such message. */
  decode(bytes: Uint8Array): Message;
  /** Throws where the object does not fit the message. */
  encode(message: Message): Buffer;
}

let root: protobuf.Root | null = null;

/** Read with the first use only: it takes some fifty milliseconds. */
export function protos(): protobuf.Root {
  if (root === null) {
    const loaded = new protobuf.Root();
    // Google's own are part of the library.
    loaded.resolvePath = (_, path) => (path.startsWith('google/') ? path : fileURLToPath(new URL(path, DIRECTORY)));
    loaded.loadSync(['discovery.proto', 'resource.proto'], { keepCase: true });
    loaded.resolveAll();
    root = loaded;
  }
  return root;
}

/** The message of a full name, e.g. `istio.workload.Address`. Throws where there is none. */
export function messageType<Message extends object = WireMessage>(name: string): MessageType<Message> {
  const type = protos().lookupType(name);
  return {
    decode: (bytes) => type.toObject(type.decode(bytes), PLAIN) as Message,
    encode(message) {
      const bytes = type.encode(type.fromObject(message)).finish();
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
  };
}
