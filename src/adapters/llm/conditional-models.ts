import type { Expression, Expressions, GatewayActivation } from '../../cel/index.ts';
import { GatewayError } from '../../errors/table.ts';
import type { VirtualModel } from '../../resources/types.ts';

/** The owner under which conditions that can't be evaluated are counted. */
const OWNER = 'virtualModels';

/** A virtual model whose target depends on the request: the first whose condition is true. */
export class ConditionalModel {
  readonly #name: string;
  /** `when` null: always. */
  readonly #targets: readonly { readonly model: string; readonly when: Expression | null }[];

  constructor(name: string, targets: readonly { model: string; when: string }[], cel: Expressions) {
    this.#name = name;
    this.#targets = targets.map(({ model, when }) => ({ model, when: when === '' ? null : cel.compile(when, OWNER) }));
  }

  /** The model to ask for. A condition that can't be evaluated is not true. Throws `virtual_model_no_matching_target`. */
  choose(activation: GatewayActivation): string {
    for (const { model, when } of this.#targets) if (when === null || when.holds(activation)) return model;
    throw new GatewayError(
      'virtual_model_no_matching_target',
      `No condition of the virtual model "${this.#name}" matches this request.`,
    );
  }
}

/** The conditional ones among virtual models, by name. */
export function conditionalModels(
  models: readonly VirtualModel[],
  cel: Expressions,
): ReadonlyMap<string, ConditionalModel> {
  const conditional = new Map<string, ConditionalModel>();
  for (const { name, routing } of models) {
    if (routing.kind === 'conditional') conditional.set(name, new ConditionalModel(name, routing.targets, cel));
  }
  return conditional;
}
