import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  boundedBudget,
  budgetOf,
  budgetOfEffort,
  effortOf,
  effortOfBudget,
  isReasoningOff,
} from '../../../../src/adapters/llm/formats/reasoning.ts';
import type { Reasoning } from '../../../../src/facts/conversation.ts';

describe('effort and budget', () => {
  it('says low, medium and high the same way back', () => {
    for (const effort of ['none', 'low', 'medium', 'high']) expect(effortOfBudget(budgetOfEffort(effort))).toBe(effort);
  });

  it('never makes less effort of a larger budget', () => {
    const order = ['none', 'low', 'medium', 'high'];
    fc.assert(
      fc.property(fc.nat(100_000), fc.nat(100_000), (a, b) => {
        const [less, more] = a < b ? [a, b] : [b, a];
        expect(order.indexOf(effortOfBudget(less))).toBeLessThanOrEqual(order.indexOf(effortOfBudget(more)));
      }),
    );
  });

  it.each<[Reasoning, string | undefined, number | undefined]>([
    [{}, undefined, undefined],
    [{ effort: 'none' }, 'none', 0],
    [{ effort: 'minimal' }, 'minimal', 1024],
    [{ effort: 'xhigh' }, 'xhigh', 32_768],
    [{ effort: 'a word of tomorrow' }, 'a word of tomorrow', -1],
    [{ mode: 'disabled', effort: 'high', budget: 5000 }, 'none', 0],
    [{ mode: 'enabled', budget: 2000 }, 'low', 2000],
    [{ mode: 'enabled', budget: 10_000 }, 'medium', 10_000],
    [{ budget: 0 }, 'none', 0],
    [{ budget: -1 }, undefined, -1],
    [{ budget: 30_000, effort: 'low' }, 'low', 30_000],
    [{ mode: 'adaptive' }, undefined, -1],
    [{ mode: 'enabled' }, 'medium', -1],
    [{ include: true }, undefined, undefined],
  ])('%j is %s and %s tokens', (reasoning, effort, budget) => {
    expect(effortOf(reasoning)).toBe(effort);
    expect(budgetOf(reasoning)).toBe(budget);
    expect(isReasoningOff(reasoning)).toBe(budget === 0);
  });

  it("keeps a budget within a model's limits", () => {
    expect(boundedBudget(100, 1024, 9000)).toBe(1024);
    expect(boundedBudget(10_000, 1024, 9000)).toBe(9000);
    expect(boundedBudget(0, 1024, 9000)).toBe(0);
    expect(boundedBudget(-1, 1024, 9000)).toBe(-1);
  });
});
