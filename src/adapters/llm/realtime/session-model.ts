import type { CompiledAiPolicy } from '../ai-policy.ts';
import type { ProviderTarget } from '../target.ts';

/** The model as a provider is asked for it: pinned, else what policies make of the one named; '' = its own. */
export function modelFor(
  named: string,
  target: ProviderTarget,
  { overrides, defaults, aliases }: CompiledAiPolicy,
): string {
  let model = target.provider.model || named;
  for (const { name, text } of overrides) if (name === 'model') model = text;
  if (model === '') for (const { name, text } of defaults) if (name === 'model') model = text;
  return aliases === null || model === '' ? model : aliases.resolve(model);
}
