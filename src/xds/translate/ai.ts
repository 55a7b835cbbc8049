import { joinHostPort, splitBaseUrl } from '../../resources/host-port.ts';
import { parseHostPort } from '../../resources/schema/common.ts';
import { validate } from '../../resources/schema/validate.ts';
import { formatPath } from '../../resources/schema/walk.ts';
import type { AiBackend, AiProvider } from '../../resources/types.ts';
import { WireError, type WireMessage } from '../../resources/wire.ts';
import { below, messageIn, messagesIn, type Notes, numberIn, textIn } from './notes.ts';
import type { PolicySpecs } from './policies.ts';
import { readProvider, writeProvider } from './providers.ts';
import { readReference } from './references.ts';

type Address = Pick<AiProvider, 'hostOverride' | 'hostOverrideTls' | 'pathPrefix'>;

/** AIBackend → provider groups; null, with a warning, where it can't be served as it is meant. Throws WireError. */
export function readAi(wire: WireMessage, specs: PolicySpecs, notes: Notes): AiBackend | null {
  const groups: AiProvider[][] = [];
  const names = new Set<string>();
  let elsewhere = false;
  for (const [index, group] of messagesIn(wire, 'provider_groups').entries()) {
    const providers = messagesIn(group, 'providers').map((provider, place) =>
      below(['provider_groups', index, 'providers', place], () => {
        const read = readAiProvider(provider, specs, notes);
        if (names.has(read.name))
          throw new WireError(`two providers of the backend are named "${read.name}"`, ['name']);
        names.add(read.name);
        elsewhere ||= isElsewhere(provider);
        return read;
      }),
    );
    if (providers.length > 0) groups.push(providers);
  }
  if (groups.length === 0) throw new WireError('is empty', ['provider_groups']);
  if (!elsewhere) return { groups };
  notes.warn(
    'provider_backend: a provider behind a service or backend is not served by this version; the backend answers 503',
  );
  return null;
}

/** A provider that is reached through another backend. */
function isElsewhere(wire: WireMessage): boolean {
  const backend = messageIn(wire, 'provider_backend');
  return backend !== undefined && readReference(backend).kind !== 'host';
}

function readAiProvider(wire: WireMessage, specs: PolicySpecs, notes: Notes): AiProvider {
  const { provider, settings } = readProvider(wire);
  const entry = specs.catalogue.providers.get(provider);
  if (entry === undefined) throw new WireError(`this version has no provider ${provider}`);
  const { data, faults } = validate(entry.schema, settings);
  const [fault] = faults;
  if (fault !== undefined) throw new WireError(`${formatPath([provider, ...fault.path])}: ${fault.message}`);
  if (!entry.active) notes.warn(`provider ${provider}: accepted, not yet active`);
  const address = readAddress(wire);
  if (provider === 'custom' && address.hostOverride === '' && !isElsewhere(wire)) {
    throw new WireError('a custom provider needs base_url, host_override or provider_backend');
  }
  return {
    name: textIn(wire, 'name') || 'default',
    provider,
    settings: data as AiProvider['settings'],
    ...address,
    pathOverride: textIn(wire, 'path_override'),
    tokenize: false,
    policies: specs.readAll('backend', 'inline_policies', messagesIn(wire, 'inline_policies'), 'backend', notes),
  };
}

function readAddress(wire: WireMessage): Address {
  const { base_url: baseUrl, path_prefix: pathPrefix = '' } = wire as { base_url?: string; path_prefix?: string };
  const override = messageIn(wire, 'host_override');
  const backend = messageIn(wire, 'provider_backend');
  if (baseUrl !== undefined) {
    if (override !== undefined || pathPrefix !== '' || backend !== undefined) {
      throw new WireError('excludes host_override, path_prefix and provider_backend', ['base_url']);
    }
    return below(['base_url'], () => readUrl(baseUrl));
  }
  if (backend !== undefined) {
    if (override !== undefined || pathPrefix !== '') {
      throw new WireError('excludes host_override and path_prefix', ['provider_backend']);
    }
    const target = below(['provider_backend'], () => readReference(backend));
    return {
      hostOverride: target.kind === 'host' ? joinHostPort(target.host, target.port) : '',
      hostOverrideTls: false,
      pathPrefix: '',
    };
  }
  if (override === undefined) return { hostOverride: '', hostOverrideTls: false, pathPrefix };
  const [host, port] = [textIn(override, 'host'), numberIn(override, 'port')];
  if (host === '' || port < 1 || port > 65535) throw new WireError('needs host and port', ['host_override']);
  return { hostOverride: joinHostPort(host, port), hostOverrideTls: false, pathPrefix };
}

function readUrl(text: string): Address {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new WireError('not an http or https URL');
  if (url.username !== '' || url.password !== '') throw new WireError('holds credentials');
  if (url.search !== '' || url.hash !== '') throw new WireError('has a query or a fragment');
  return splitBaseUrl(url);
}

/** Throws WireError for what only files can say. */
export function writeAi({ groups }: AiBackend, specs: PolicySpecs): WireMessage {
  return {
    provider_groups: groups.map((providers) => ({
      providers: providers.map((provider) => writeAiProvider(provider, specs)),
    })),
  };
}

function writeAiProvider(provider: AiProvider, specs: PolicySpecs): WireMessage {
  if (provider.tokenize) throw new WireError("can't be said", ['tokenize']);
  return {
    name: provider.name,
    ...writeProvider(provider.provider, provider.settings),
    ...writeAddress(provider),
    ...(provider.pathOverride !== '' && { path_override: provider.pathOverride }),
    inline_policies: specs.writeAll('backend', provider.policies),
  };
}

function writeAddress({ hostOverride, hostOverrideTls, pathPrefix }: Address): WireMessage {
  if (hostOverrideTls) return { base_url: `https://${hostOverride}${pathPrefix}` };
  const prefix = pathPrefix === '' ? {} : { path_prefix: pathPrefix };
  if (hostOverride === '') return prefix;
  const address = parseHostPort(hostOverride);
  if ('path' in address) throw new WireError("a Unix socket can't be said", ['hostOverride']);
  return { host_override: address, ...prefix };
}
