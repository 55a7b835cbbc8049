import { GatewayError } from '../../errors/table.ts';
import type { VirtualModel } from '../../resources/types.ts';
import { type Candidate, TargetGroups } from './target-groups.ts';

/** Finds what serves a concrete name, internal models included; null where nothing serves this request. */
export type ResolveModel = (name: string) => Candidate | null;

/** How a target is chosen where the request has no part in it. */
export type DrawnRouting = Exclude<VirtualModel['routing'], { kind: 'conditional' }>;

/**
 * Who may serve a request for a virtual model: one drawn by weight, or all of a failover in their order.
 *
 * Throws `model_not_found` where no target serves this request.
 */
export function virtualGroups(
  routing: DrawnRouting,
  resolve: ResolveModel,
  random: () => number = Math.random,
): TargetGroups {
  switch (routing.kind) {
    case 'weighted':
      return new TargetGroups([[found(resolve(draw(routing.targets, random)))]]);
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

/** Configuration guarantees that the weights aren't all 0. */
function draw(targets: readonly { model: string; weight: number }[], random: () => number): string {
  let left = random() * targets.reduce((sum, { weight }) => sum + weight, 0);
  for (const { model, weight } of targets) {
    left -= weight;
    if (left < 0) return model;
  }
  return targets.findLast(({ weight }) => weight > 0)?.model ?? '';
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
