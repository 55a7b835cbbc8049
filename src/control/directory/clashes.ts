import type { Fault } from '../../config/fault.ts';
import { type Configuration, faultOf } from './configuration-file.ts';
import { overlap } from './selector.ts';

/** Two configurations that say different things of one resource, and that one node may get both of. */
export interface Clash {
  readonly name: string;
  readonly files: readonly [Configuration, Configuration];
}

/** Every clash there is; of each pair of files only the first, and how many more there are. */
export function findClashes(configurations: readonly Configuration[]): (Clash & { readonly more: number })[] {
  const known = new Map<string, [Configuration, string][]>();
  const pairs = new Map<string, Clash & { more: number }>();
  for (const configuration of configurations) {
    for (const { typeUrl, resource } of configuration.content.resources) {
      const id = `${typeUrl}\0${resource.name}`;
      const before = known.get(id) ?? [];
      for (const [other, version] of before) {
        if (version === resource.version || !overlap(other.selector, configuration.selector)) continue;
        const pair = `${other.name}\0${configuration.name}`;
        const clash = pairs.get(pair);
        if (clash === undefined) pairs.set(pair, { name: resource.name, files: [other, configuration], more: 0 });
        else clash.more++;
      }
      before.push([configuration, resource.version]);
      known.set(id, before);
    }
  }
  return [...pairs.values()];
}

/** Says a clash of `refused`, which stays as it was, if it was anything. */
export function clashFault(refused: Configuration, clash: Clash & { readonly more: number }): Fault {
  const other = clash.files[0] === refused ? clash.files[1] : clash.files[0];
  const more = clash.more === 0 ? '' : ` (and ${clash.more} more)`;
  return faultOf(
    refused.path,
    `"${clash.name}"${more} is in ${other.name} too, and a node may get both files`,
    'give one of them another name or port, or let `control:` select different gateways or labels',
  );
}
