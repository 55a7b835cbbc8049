import type { PriceFile, StatedPrices, Tiers } from '../../resources/prices.ts';
import type { LocalSettings } from '../../resources/schema/index.ts';
import {
  type LocalModelCatalog,
  modelCatalogSchema,
  priceFileSchema,
  pricesOf,
} from '../../resources/schema/model-catalog.ts';
import { validate } from '../../resources/schema/validate.ts';
import type { Path } from '../fault.ts';
import { parseYaml } from '../parse-yaml.ts';
import type { Section } from '../section.ts';
import type { Context } from './context.ts';

/**
 * `config.modelCatalog`: a resource, as prices change while the gateway runs. Later sources come before earlier ones, model by model and
 * price by price; of price files the last one counts.
 */
export function normalizeModelCatalog(context: Context, section: Section<LocalSettings> | undefined): void {
  const sources = section?.get('modelCatalog') ?? [];
  if (sources.length === 0) return;
  const stated: Record<string, Record<string, Tiers>> = {};
  let file: PriceFile | null = null;
  for (const [index, source] of sources.entries()) {
    const path = ['config', 'modelCatalog', index];
    const given = typeof source === 'string' ? source : 'inline' in source ? source.inline : undefined;
    const catalog = typeof given === 'string' ? readCatalog(context, given, path) : given;
    if (catalog === undefined) continue;
    if ('source' in catalog) file = catalog;
    else
      for (const [provider, model, prices] of modelsOf(context, catalog, path)) {
        const models = stated[provider] ?? {};
        stated[provider] = models;
        models[model] = overlay(models[model], prices);
      }
  }
  context.emit({ kind: 'modelPrices', key: 'modelPrices', file, stated: stated satisfies StatedPrices }, [
    'config',
    'modelCatalog',
  ]);
}

function readCatalog(context: Context, text: string, path: Path): LocalModelCatalog | PriceFile | undefined {
  const { value, faults } = parseYaml(text);
  for (const { message } of faults) context.fault(path, `the catalog can't be read: ${message}`);
  if (faults.length > 0) return undefined;
  const checked =
    'source' in value
      ? validate<PriceFile>(priceFileSchema, value)
      : validate<LocalModelCatalog>(modelCatalogSchema, value);
  for (const { path: where, message, hint } of checked.faults.slice(0, 8)) {
    context.fault(path, `in the catalog, ${where.join('.') || 'at its root'}: ${message}`, hint);
  }
  return checked.data ?? undefined;
}

/** Its models that state prices: provider, model, prices. */
function modelsOf(context: Context, { providers = {} }: LocalModelCatalog, path: Path): [string, string, Tiers][] {
  const found: [string, string, Tiers][] = [];
  const unread = new Set<string>();
  for (const [provider, { models = {} }] of Object.entries(providers)) {
    for (const [name, model] of Object.entries(models)) {
      const { rates, tiers = [] } = model;
      for (const [index, { contextOver }] of tiers.entries()) {
        if (contextOver <= (tiers[index - 1]?.contextOver ?? -1))
          context.fault(path, `${provider}/${name}: each tier's contextOver must be above the one before`);
      }
      for (const field of ['tags', 'limits'] as const) if (model[field] != null) unread.add(field);
      if (rates === undefined && tiers.length === 0) continue;
      found.push([provider, name, pricesOf(model)]);
    }
  }
  if (unread.size > 0) context.without(path, `${[...unread].join(', ')} of models: accepted, not yet active`);
  return found;
}

function overlay(below: Tiers | undefined, above: Tiers): Tiers {
  const tiers = above.tiers ?? below?.tiers;
  return { rates: { ...below?.rates, ...above.rates }, ...(tiers !== undefined && { tiers }) };
}
