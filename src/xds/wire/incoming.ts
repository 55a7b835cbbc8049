import protobuf from 'protobufjs';
import type { Any } from './discovery.ts';
import { type MessageType, messageType, protos } from './protos.ts';

/** A resource as it comes in a response. */
export interface IncomingResource {
  readonly name: string;
  readonly version: string;
  /** An Any, encoded; null where there is none. */
  readonly content: Uint8Array | null;
}

/**
 * A DeltaDiscoveryResponse that is read piece by piece: there may be tens of thousands of resources in it, most of them in force already, and
 * to make objects of them all at once would keep the thread.
 */
export class IncomingResponse {
  readonly systemVersion: string;
  readonly typeUrl: string;
  readonly nonce: string;
  readonly removed: readonly string[];
  readonly #bytes: Uint8Array;

  /** Throws where the bytes are no response. */
  constructor(bytes: Uint8Array) {
    const { system_version_info, type_url, nonce, removed_resources } = parts().response.decode(bytes) as Partial<Head>;
    this.systemVersion = system_version_info ?? '';
    this.typeUrl = type_url ?? '';
    this.nonce = nonce ?? '';
    this.removed = removed_resources ?? [];
    this.#bytes = bytes;
  }

  /** Throws where one is no resource. */
  *resources(): Generator<IncomingResource> {
    const { resource, tag } = parts();
    const reader = protobuf.Reader.create(this.#bytes);
    while (reader.pos < reader.len) {
      const next = reader.uint32();
      if (next !== tag) reader.skipType(next & 7);
      else {
        const message = resource.decode(reader, reader.uint32()) as unknown as Resource;
        const { name, version } = message;
        // What was not sent is at the prototype alone, as its default.
        yield { name, version, content: Object.hasOwn(message, 'resource') ? message.resource : null };
      }
    }
  }

  /** Throws where the bytes are no Any. */
  static content(bytes: Uint8Array): Any {
    return parts().any.decode(bytes);
  }
}

type Head = Record<'system_version_info' | 'type_url' | 'nonce', string> & { removed_resources: string[] };
type Resource = { name: string; version: string; resource: Uint8Array };

interface Parts {
  readonly response: protobuf.Type;
  readonly resource: protobuf.Type;
  readonly any: MessageType<Any>;
  /** What a resource begins with in a response: its field's number and that its length follows. */
  readonly tag: number;
}

const LENGTH_DELIMITED = 2;
let made: Parts | null = null;

function parts(): Parts {
  if (made === null) {
    const response = protos().lookupType('envoy.service.discovery.v3.DeltaDiscoveryResponse');
    const resource = protos().lookupType('envoy.service.discovery.v3.Resource');
    made = {
      response: subset(response, ['system_version_info', 'type_url', 'nonce', 'removed_resources']),
      resource: subset(resource, ['name', 'version', 'resource']),
      any: messageType('google.protobuf.Any'),
      tag: ((response.get('resources') as protobuf.Field).id << 3) | LENGTH_DELIMITED,
    };
  }
  return made;
}

/** The message with some of its fields alone, messages in it as bytes. */
function subset(whole: protobuf.Type, names: readonly string[]): protobuf.Type {
  const type = new protobuf.Type(whole.name);
  for (const { name, id, type: of, repeated } of whole.fieldsArray) {
    if (!names.includes(name)) continue;
    type.add(new protobuf.Field(name, id, of === 'string' ? of : 'bytes', repeated ? 'repeated' : undefined));
  }
  return type;
}
