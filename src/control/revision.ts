import { type ResourceSet, TypeSet } from '../xds/server/resource-set.ts';
import type { Configuration } from './directory/configuration-file.ts';
import { type Content, hashOf, rankOf, type ServedResource } from './directory/content.ts';
import { selectsGateway, selectsLabels } from './directory/selector.ts';
import { LruMap } from './lru-map.ts';

/** One configuration of a revision. */
export interface RevisionPart {
  /** The file it came from, for people. */
  readonly file: string;
  /** Labels a node must have. */
  readonly labels: Readonly<Record<string, string>>;
  /** Hash of its content. */
  readonly content: string;
}

/** What all nodes of a gateway are to have, by reference. */
export interface Revision {
  /** Hash of all contents with the labels they ask for: the same on every replica. */
  readonly id: string;
  readonly parts: readonly RevisionPart[];
}

/** `namespace/gateway`, as records have it. */
export function gatewayName({ namespace, gateway }: { readonly namespace: string; readonly gateway: string }): string {
  return `${namespace}/${gateway}`;
}

/** What the configurations come to for one gateway. */
export function revisionOf(configurations: readonly Configuration[], gateway: string): Revision {
  const [namespace = '', name = ''] = gateway.split('/');
  const parts = configurations
    .filter(({ selector }) => selectsGateway(selector, namespace, name))
    .map(({ name: file, selector: { labels }, content }) => ({ file, labels, content: content.hash }));
  const texts = parts.map(({ labels, content }) => `${content} ${JSON.stringify(Object.entries(labels).sort())}`);
  return { id: hashOf([...new Set(texts)].sort()), parts };
}

/** Sets of resources that are kept made up; nodes hold on to those they have. */
const MAX_SETS = 64;

/** Makes up what a node is to have of a revision. Nodes that are to have the same get the same object. */
export class Sets {
  readonly #sets = new LruMap<string, ResourceSet>(MAX_SETS);

  /** Null where a content is not at hand: `contentFor` has been asked for it then. */
  of(
    revision: Revision,
    labels: Readonly<Record<string, string>>,
    contentFor: (hash: string) => Content | null,
  ): ResourceSet | null {
    const hashes = new Set(
      revision.parts.filter((part) => selectsLabels(part.labels, labels)).map(({ content }) => content),
    );
    const key = [revision.id, ...hashes].join(' ');
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    const contents = [...hashes].map(contentFor);
    const resources: ServedResource[] = [];
    for (const content of contents) {
      if (content === null) return null;
      resources.push(...content.resources);
    }
    const set = { revision: revision.id, types: typesOf(resources) };
    this.#sets.set(key, set);
    return set;
  }
}

function typesOf(resources: readonly ServedResource[]): Map<string, TypeSet> {
  const byType = new Map<string, ServedResource[]>();
  for (const served of resources) {
    const list = byType.get(served.typeUrl) ?? [];
    list.push(served);
    byType.set(served.typeUrl, list);
  }
  const types = new Map<string, TypeSet>();
  for (const [typeUrl, list] of byType) {
    const ordered = list.map((served) => ({ served, rank: rankOf(served) })).sort((a, b) => a.rank - b.rank);
    types.set(
      typeUrl,
      new TypeSet(
        typeUrl,
        ordered.map(({ served }) => served.resource),
      ),
    );
  }
  return types;
}
