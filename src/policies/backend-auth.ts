import { z } from 'zod';
import type { Exchange } from '../exchange.ts';
import type { InactivePart, PolicyFault } from '../resources/catalogue.ts';
import { fileOrInline, own, secret } from '../resources/schema/common.ts';
import type { UpstreamCall } from '../upstream/call.ts';
import { cloudAuth, cloudFaults, holdsBody, inactiveCloudParts } from './backend-auth-cloud.ts';
import { MINTED_KINDS } from './backend-auth-kinds.ts';
import { backendAuthMessage } from './backend-auth-message.ts';
import { type CredentialLocation, credentialLocationSchema } from './credential-location.ts';
import { type CompiledPolicy, definePolicy } from './definition.ts';

const MAX_KEYS = 64;

const insertLocation = () =>
  credentialLocationSchema.nullish().describe('Where the credential is put. Default: `Authorization: Bearer`.');

const credential = z.strictObject({
  location: credentialLocationSchema.describe('Where the credential is put.'),
  key: secret(fileOrInline()).describe('The credential.'),
});

const keyList = () => z.array(secret(fileOrInline())).min(1).max(MAX_KEYS);

const kinds = {
  passthrough: z
    .strictObject({ location: insertLocation() })
    .optional()
    .describe("Forwards the caller's own credential, which would otherwise stop here."),
  key: z
    .union([
      secret(fileOrInline()),
      z.strictObject({ value: secret(fileOrInline()).describe('The credential.'), location: insertLocation() }),
    ])
    .optional()
    .describe('A fixed credential.'),
  keys: own(
    z
      .union([
        keyList(),
        z.strictObject({ values: keyList().describe('The credentials.'), location: insertLocation() }),
      ])
      .optional()
      .describe(
        'Several credentials, one of them for each attempt. Towards LLM providers one that is limited (429) or refused (401, 402, 403) rests, the attempt is made again with another, and a conversation keeps to one; elsewhere they take turns.',
      ),
  ),
  ...MINTED_KINDS,
};
const KINDS = [
  'passthrough',
  'key',
  'keys',
  'gcp',
  'aws',
  'azure',
  'jwtSign',
  'oauthTokenExchange',
  'crossAppAccess',
] as const;

const schema = z.union([
  z.literal('copilot').describe('GitHub Copilot.'),
  z
    .strictObject({
      ...kinds,
      credentials: z.array(credential).optional().describe('Further credentials, each in a place of its own.'),
    })
    .check((context) => {
      const given = KINDS.filter((kind) => context.value[kind] !== undefined);
      if (given.length === 1 || (given.length === 0 && context.value.credentials !== undefined)) return;
      context.issues.push({
        code: 'custom',
        input: context.value,
        message:
          given.length === 0
            ? `give one of ${KINDS.join(', ')}, or credentials`
            : `give only one of ${KINDS.join(', ')}, not ${given.join(' and ')}`,
      });
    }),
]);

type Value = z.infer<typeof schema>;

type AuthObject = Exclude<Value, 'copilot'>;

/** Kinds that have to be obtained or computed and are not, by this version: a call without them would go out unauthenticated. */
const NOT_EXECUTED = ['jwtSign', 'oauthTokenExchange', 'crossAppAccess'] as const;

const BEARER: CredentialLocation = { header: { name: 'authorization', prefix: 'Bearer ' } };

/** Credentials the gateway shows to a backend. They are put on each attempt as it leaves, after all copies have been taken. */
export const backendAuth = definePolicy({
  name: 'backendAuth',
  schema,
  summary: 'Authenticates the gateway to the backend.',
  levels: ['route', 'backend'],
  phase: 'backend',
  protects: false,
  wire: [{ spec: 'backend', field: 'auth', message: backendAuthMessage }],
  inactiveParts(value: Value): InactivePart[] {
    if (value === 'copilot') return [];
    const parts: InactivePart[] = NOT_EXECUTED.filter((kind) => value[kind] !== undefined).map((kind) => ({
      path: [kind],
      protects: true,
    }));
    for (const { path, location } of locationsOf(value))
      if (location.expression !== undefined) parts.push({ path, protects: true });
    parts.push(...inactiveCloudParts(value));
    return parts;
  },
  faults(value): PolicyFault[] {
    if (value === 'copilot') return [];
    const located = locationsOf(value).flatMap(({ path, location }) =>
      location.expression === undefined
        ? []
        : [{ path, message: 'a CEL expression can read a credential, not put one in place' }],
    );
    return [...located, ...cloudFaults(value)];
  },
  compile(value, _scope, { credentials }): CompiledPolicy {
    const cloud = cloudAuth(value, credentials);
    const steps = value === 'copilot' ? [] : stepsOf(value);
    if (cloud === null && steps.length === 0) return {};
    return {
      holdBody: holdsBody(value),
      onUpstream(call, exchange) {
        // What a more general place had in mind doesn't count any more.
        if (call.sign) call.sign = null;
        for (const step of steps) step(call, exchange);
        return cloud?.(call);
      },
    };
  },
});

type Step = (call: UpstreamCall, exchange: Exchange) => void;

/** Every place the value names, with its path. */
function locationsOf(value: AuthObject): { path: (string | number)[]; location: CredentialLocation }[] {
  const found: { path: (string | number)[]; location: CredentialLocation }[] = [];
  const { key, keys, passthrough, credentials } = value;
  if (typeof key === 'object' && 'value' in key && key.location)
    found.push({ path: ['key', 'location'], location: key.location });
  if (keys !== undefined && !Array.isArray(keys) && keys.location)
    found.push({ path: ['keys', 'location'], location: keys.location });
  if (passthrough?.location) found.push({ path: ['passthrough', 'location'], location: passthrough.location });
  for (const [index, { location }] of (credentials ?? []).entries())
    found.push({ path: ['credentials', index, 'location'], location });
  return found;
}

function stepsOf(value: AuthObject): Step[] {
  const steps: Step[] = [];
  const { key, keys, passthrough, credentials } = value;
  if (keys !== undefined) steps.push(oneOf(keys));
  if (key !== undefined) {
    const [text, location] =
      typeof key === 'object' && 'value' in key ? [textOf(key.value), key.location ?? BEARER] : [textOf(key), BEARER];
    steps.push(insert(location, text));
  }
  if (passthrough !== undefined) steps.push(forwardCredential(passthrough.location ?? null));
  for (const { location, key: text } of credentials ?? []) steps.push(insert(location, textOf(text)));
  return steps;
}

/** Puts in the credential that the call names, or the next in turn. */
function oneOf(keys: NonNullable<AuthObject['keys']>): Step {
  const { values, location } = Array.isArray(keys) ? { values: keys, location: null } : keys;
  const inserts = values.map((key) => insert(location ?? BEARER, textOf(key)));
  let turn = 0;
  return (call, exchange) => inserts[(call.credential ?? turn++) % inserts.length]?.(call, exchange);
}

/** A file's text has been put in its place when the configuration was read. */
function textOf(value: string | { file: string }): string {
  if (typeof value === 'string') return value.trim();
  throw new Error('a credential was left in its file');
}

/** Puts a credential into a request, replacing whatever stood there. */
function insert(location: CredentialLocation, credentialText: string): Step {
  const { header, queryParameter, cookie } = location;
  if (header) {
    const name = header.name.toLowerCase();
    const value = `${header.prefix ?? ''}${credentialText}`;
    return (call) => setField(call.headers, name, value);
  }
  if (queryParameter) {
    const name = queryParameter.name;
    return (call) => {
      call.path = withParameter(call.path, name, credentialText);
    };
  }
  if (cookie) {
    const name = cookie.name;
    return (call) => setField(call.headers, 'cookie', withCookie(call.headers, name, credentialText));
  }
  return () => {};
}

/**
 * Gives the credential that authenticated the caller here to the backend too: as it came, or, with a location, in its place there.
 * A caller who was not authenticated here keeps whatever the request carried; nothing was taken away.
 */
function forwardCredential(location: CredentialLocation | null): Step {
  return (call, exchange) => {
    const name = exchange.credentialHeader;
    if (name === null) return;
    const value = exchange.headers.get(name);
    if (value === undefined) return;
    if (location === null) setField(call.headers, name, value);
    else insert(location, withoutScheme(name, value))(call, exchange);
  };
}

/** The credential alone, where it came with an authentication scheme (RFC 9110 §11.4). */
function withoutScheme(name: string, value: string): string {
  if (name !== 'authorization') return value;
  const space = value.indexOf(' ');
  return space < 0 ? value : value.slice(space + 1).trim();
}

/** Sets a field of a flat list, in the place of the first of its name. */
function setField(headers: string[], name: string, value: string): void {
  let kept = 0;
  let set = false;
  for (let i = 0; i < headers.length; i += 2) {
    let next = headers[i + 1] as string;
    if (headers[i] === name) {
      if (set) continue;
      set = true;
      next = value;
    }
    headers[kept] = headers[i] as string;
    headers[kept + 1] = next;
    kept += 2;
  }
  headers.length = kept;
  if (!set) headers.push(name, value);
}

function withParameter(path: string, name: string, value: string): string {
  const question = path.indexOf('?');
  const bare = question < 0 ? path : path.slice(0, question);
  const encodedName = encodeURIComponent(name);
  const others =
    question < 0
      ? []
      : path
          .slice(question + 1)
          .split('&')
          .filter((pair) => pair !== '' && nameOf(pair) !== name);
  return `${bare}?${[...others, `${encodedName}=${encodeURIComponent(value)}`].join('&')}`;
}

/** The decoded name of a query's pair; as it stands where it isn't validly encoded. */
function nameOf(pair: string): string {
  const equals = pair.indexOf('=');
  const name = (equals < 0 ? pair : pair.slice(0, equals)).replaceAll('+', ' ');
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

function withCookie(headers: readonly string[], name: string, value: string): string {
  const pairs: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'cookie') continue;
    for (const pair of (headers[i + 1] as string).split(';')) {
      const trimmed = pair.trim();
      if (trimmed !== '' && !trimmed.startsWith(`${name}=`)) pairs.push(trimmed);
    }
  }
  return [...pairs, `${name}=${value}`].join('; ');
}
