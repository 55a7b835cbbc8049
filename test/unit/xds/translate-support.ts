import { readFileSync } from 'node:fs';
import { buildCatalogue } from '../../../src/catalogue.ts';
import type { Resource } from '../../../src/resources/types.ts';
import { type Translated, Translator } from '../../../src/xds/translate/index.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE } from '../../../src/xds/wire/discovery.ts';
import { messageType } from '../../../src/xds/wire/protos.ts';

export const CATALOGUE = buildCatalogue();

const RESOURCE = messageType('agentgateway.dev.resource.Resource');
const ADDRESS = messageType('istio.workload.Address');

const pem = (name: string): Buffer => readFileSync(new URL(`../../fixtures/config/tls/${name}.pem`, import.meta.url));
export const CERT = pem('cert');
export const KEY = pem('key');

/** A translator, told messages by name, and what it has given out so far. */
export class House {
  readonly translator = new Translator(CATALOGUE);
  readonly resources = new Map<string, Resource>();

  put(name: string, message: object): Translated {
    return this.#note(this.translator.put(RESOURCE_TYPE, { name, bytes: RESOURCE.encode(message as never) }));
  }

  putBytes(name: string, bytes: Uint8Array, typeUrl: string = RESOURCE_TYPE): Translated {
    return this.#note(this.translator.put(typeUrl, { name, bytes }));
  }

  putAddress(name: string, message: object): Translated {
    return this.putBytes(name, ADDRESS.encode(message as never), ADDRESS_TYPE);
  }

  remove(name: string, typeUrl: string = RESOURCE_TYPE): readonly string[] {
    const changes = this.translator.remove(typeUrl, name);
    this.#note({ ...changes, warnings: [] });
    return changes.removed;
  }

  /** What is there under `key`. Throws where nothing is. */
  get(key: string): Resource {
    const resource = this.resources.get(key);
    if (resource === undefined) throw new Error(`no ${key} among ${[...this.resources.keys()].join(', ')}`);
    return resource;
  }

  all(): Resource[] {
    return [...this.resources.values()];
  }

  #note(translated: Translated): Translated {
    for (const resource of translated.changed) this.resources.set(resource.key, resource);
    for (const key of translated.removed) this.resources.delete(key);
    return translated;
  }
}

/** The one resource that a message makes, and what is said of it. */
export function translated(message: object): { resource: Resource | undefined; warnings: string[] } {
  const { changed, warnings } = new House().put('it', message);
  return { resource: changed[0], warnings };
}

/** Why a message is refused, with its place; '' where it isn't. */
export function refusal(message: object): string {
  try {
    return new House().put('it', message).refusal ?? '';
  } catch (error) {
    const { message: text, path } = error as { message: string; path: readonly (string | number)[] };
    return `${path.join('.')}: ${text}`;
  }
}

const gatewayName = { gateway_name: 'web', gateway_namespace: 'default' };

/** Port 8080 and a listener on it, as agentgateway's controller names them. */
export function listening(house: House, more: object = {}): void {
  house.put('bind', { bind: { key: '8080/default/web', port: 8080 } });
  const name = { ...gatewayName, listener_name: 'http' };
  house.put('listener', {
    listener: { key: 'default/web.http', bind_key: '8080/default/web', name, protocol: 'HTTP', ...more },
  });
}

/** A route of that listener to `host`:80. */
export function route(key: string, more: object = {}): object {
  return {
    route: {
      key,
      listener_key: 'default/web.http',
      name: { kind: 'HTTPRoute', name: key, namespace: 'default' },
      matches: [{ path: { path_prefix: '/' } }],
      backends: [{ backend: { inline: { hostname: 'app.example.com', port: 80 } }, weight: 1 }],
      ...more,
    },
  };
}

export function policy(key: string, target: object, more: object): object {
  return { policy: { key, name: { name: key, namespace: 'default' }, target, ...more } };
}
