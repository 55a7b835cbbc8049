import { GatewayError } from '../../errors/table.ts';
import type { VirtualModel } from '../../resources/types.ts';
import { hashText, mix } from '../../upstream/affinity.ts';
import type { ConversationKey } from './prefix-affinity.ts';
import { type Candidate, TargetGroups } from './target-groups.ts';

/** Finds what serves a concrete name, internal models included; null where nothing serves this request. */
export type ResolveModel = (name: string) => Candidate | null;

/** How a target is chosen where the request has no part in it. */
export type DrawnRouting = Exclude<VirtualModel['routing'], { kind: 'conditional' }>;

/**
 * Who may serve a request for a virtual model: one by weight, or all of a failover in their order. A conversation's first request draws by
 * chance; from the second on each goes where the conversation belongs, so that it finds the provider's prompt cache.
 *
 * Throws `model_not_found` where no target serves this request.
 */
export function virtualGroups(
  routing: DrawnRouting,
  resolve: ResolveModel,
  affinity: ConversationKey | null,
  random: () => number = Math.random,
): TargetGroups {
  switch (routing.kind) {
    case 'weighted': {
      const hash = affinity?.goesOn === true ? affinity.hash : 0;
      const model = hash === 0 ? draw(routing.targets, random) : belongsTo(routing.targets, hash);
      return new TargetGroups([[found(resolve(model))]]);
    }
    case 'failover': {
      const served = byPriority(routing.targets).map((models) => models.map(resolve).filter((one) => one !== null));
      found(served.flat()[0]);
      return new TargetGroups(served);
    }
  }
}

/** Throws `model_not_found` for null. */
export function found(candidate: Candidate | null | undefined): Candidate {
  if (candidate === null || candidate === undefined) throw new GatewayError('model_not_found');
  return candidate;
}

interface Weighted {
  readonly model: string;
  readonly weight: number;
}

/** Configuration guarantees that the weights aren't all 0. */
function draw(targets: readonly Weighted[], random: () => number): string {
  let left = random() * targets.reduce((sum, { weight }) => sum + weight, 0);
  for (const { model, weight } of targets) {
    left -= weight;
    if (left < 0) return model;
  }
  return targets.findLast(({ weight }) => weight > 0)?.model ?? '';
}

/**
 * Where a hash belongs: weighted rendezvous hashing, which gives each target its share of all hashes, and moves only the share by which a
 * weight changes (https://datatracker.ietf.org/doc/draft-ietf-bess-weighted-hrw/).
 */
function belongsTo(targets: readonly Weighted[], hash: number): string {
  let best = '';
  let highest = Number.NEGATIVE_INFINITY;
  for (const { model, weight } of targets) {
    // Between 0 and 1, neither of them.
    const score = Math.log((mix(hashText(model), hash) + 0.5) / 2 ** 32) / weight;
    if (weight > 0 && score > highest) {
      best = model;
      highest = score;
    }
  }
  return best;
}

/** Names in groups, the lowest number first. */
function byPriority(targets: readonly { model: string; priority: number }[]): string[][] {
  const groups = new Map<number, string[]>();
  for (const { model, priority } of targets) {
    const group = groups.get(priority);
    if (group === undefined) groups.set(priority, [model]);
    else group.push(model);
  }
  return [...groups].sort(([a], [b]) => a - b).map(([, models]) => models);
}
