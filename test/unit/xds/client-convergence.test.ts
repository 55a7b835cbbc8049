import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { WireDelta, WireIssue } from '../../../src/xds/delta.ts';
import { ADDRESS_TYPE, RESOURCE_TYPE } from '../../../src/xds/wire/discovery.ts';
import { ControlPlane } from '../../support/ads-control-plane.ts';
import { AdsServer } from '../../support/ads-server.ts';
import { adsClient, xdsSettings } from '../../support/xds-client.ts';

const TYPES = [ADDRESS_TYPE, RESOURCE_TYPE];

/** What is in force by type and name, as a gateway's own state would be; refuses content that says so. */
class Gateway {
  readonly inForce = new Map(TYPES.map((type) => [type, new Map<string, string>()]));
  /** Versions put into force, and how often each. */
  readonly applied = new Map<string, number>();
  /** Removals of what was not there. */
  readonly removedInVain: string[] = [];

  handle = async ({ typeUrl, resources, removed }: WireDelta): Promise<WireIssue[]> => {
    const state = this.inForce.get(typeUrl) ?? new Map<string, string>();
    // Sometimes at once, sometimes later.
    if (resources.length % 2 === 1) await new Promise((resolve) => setImmediate(resolve));
    const issues: WireIssue[] = [];
    for (const { name, version, bytes } of resources) {
      const content = Buffer.from(bytes).toString();
      if (content.includes('bad')) {
        issues.push({ key: name, error: 'bad' });
        continue;
      }
      if (content.includes('odd')) issues.push({ key: name, warn: 'odd' });
      state.set(name, content);
      const once = `${typeUrl} ${name} ${version}`;
      this.applied.set(once, (this.applied.get(once) ?? 0) + 1);
    }
    for (const name of removed) if (!state.delete(name)) this.removedInVain.push(name);
    return issues;
  };
}

type Step =
  | { do: 'put'; type: string; name: string; content: string }
  | { do: 'remove'; type: string; name: string }
  | { do: 'cut' | 'reset' | 'garbage' | 'end' | 'push' }
  | { do: 'wait'; ms: number };

const type = fc.constantFrom(...TYPES);
const name = fc.integer({ min: 0, max: 7 }).map((number) => `r${number}`);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('put' as const),
      type,
      name,
      content: fc.constantFrom('good', 'odd', 'bad'),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), type, name }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('push' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('cut', 'reset', 'garbage', 'end') }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 4 }) }) },
);

test('changes, refusals and broken connections in any order come to what the server has, each version put into force once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
      const server = new AdsServer();
      await server.listen();
      const plane = new ControlPlane(server, TYPES);
      const gateway = new Gateway();
      const { client } = adsClient(xdsSettings(server.address), gateway.handle);
      try {
        await client.start();
        for (const [index, step] of steps.entries()) await take(step, index, server, plane);
        // In the end nothing is refused, and a stream lasts.
        for (const type of TYPES) {
          for (const [name, content] of plane.contents(type)) {
            if (content.includes('bad')) plane.put(type, name, 'good');
          }
        }
        plane.push();
        server.streams.at(-1)?.reset();
        await expect.poll(() => plane.settled, { timeout: 10_000, interval: 5 }).toBe(true);
        for (const type of TYPES) {
          expect(sorted(gateway.inForce.get(type))).toEqual(sorted(plane.contents(type)));
        }
        for (const [version, times] of gateway.applied) expect(`${version}: ${times}`).toBe(`${version}: 1`);
        expect(gateway.removedInVain).toEqual([]);
        expect(plane.strays).toEqual([]);
      } finally {
        await client.close();
        await server.close();
      }
    }),
    { numRuns: 40 },
  );
}, 60_000);

const sorted = (contents: ReadonlyMap<string, string> | undefined) => [...(contents ?? [])].sort();

async function take(step: Step, index: number, server: AdsServer, plane: ControlPlane): Promise<void> {
  const stream = server.streams.at(-1);
  if (step.do === 'put') plane.put(step.type, step.name, `${step.content} ${index}`);
  else if (step.do === 'remove') plane.remove(step.type, step.name);
  else if (step.do === 'push') plane.push();
  else if (step.do === 'cut') server.cut();
  else if (step.do === 'reset') stream?.reset();
  else if (step.do === 'garbage') stream?.sendBytes(Buffer.alloc(3, 0xff), 0.7);
  else if (step.do === 'end') stream?.end(14, 'transport is closing');
  else if (step.do === 'wait') await new Promise((resolve) => setTimeout(resolve, step.ms));
}
