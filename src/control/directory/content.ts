import { createHash } from 'node:crypto';
import type { WireResource } from '../../xds/delta.ts';
import { protos } from '../../xds/wire/protos.ts';

/** A resource as it is served, with its type. */
export interface ServedResource {
  readonly typeUrl: string;
  readonly resource: WireResource;
}

/** What one configuration comes to on the wire. */
export interface Content {
  /** Equal contents have equal hashes. */
  readonly hash: string;
  /** In the order they are to be sent: what is referred to before what refers to it. */
  readonly resources: readonly ServedResource[];
}

/** Hexadecimal digits of hashes that name contents and revisions. */
const DIGITS = 16;

export function contentOf(resources: readonly ServedResource[]): Content {
  const ordered = resources
    .map((served, at) => ({ served, rank: rankOf(served), at }))
    .sort((a, b) => a.rank - b.rank || a.at - b.at)
    .map(({ served }) => served);
  const names = ordered.map(({ typeUrl, resource }) => `${typeUrl}\0${resource.name}\0${resource.version}`).sort();
  return { hash: hashOf(names), resources: ordered };
}

/** The digest of texts, none of which has a line feed in it. */
export function hashOf(texts: readonly string[]): string {
  return createHash('sha256').update(texts.join('\n')).digest('hex').slice(0, DIGITS);
}

/** Ports come last: until then nobody is served a part of what is to be. */
const RANKS: readonly string[] = [
  'service',
  'workload',
  'backend',
  'model_route',
  'policy',
  'route_group',
  'route',
  'tcp_route',
  'listener',
  'sluice',
  'bind',
];

let ranks: ReadonlyMap<number, number> | null = null;

/** By the number of the field that the message has first. Of types other than agentgateway's resources all rank alike. */
export function rankOf({ typeUrl, resource: { bytes } }: ServedResource): number {
  if (!typeUrl.endsWith('agentgateway.dev.resource.Resource')) return 0;
  if (ranks === null) {
    const { fields } = protos().lookupType('agentgateway.dev.resource.Resource');
    ranks = new Map(RANKS.map((name, rank) => [fields[name]?.id ?? 0, rank]));
  }
  const [first = 0, second = 0] = bytes;
  const tag = first < 0x80 ? first : (first & 0x7f) | ((second & 0x7f) << 7);
  return ranks.get(tag >> 3) ?? RANKS.length;
}
