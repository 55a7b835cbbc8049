import { z } from 'zod';
import type { AiProvider } from '../../../resources/types.ts';
import { FORMAT_PATHS, type FormatName } from '../formats/route-types.ts';
import type { FormatPath } from './provider.ts';

/** The setting that every provider has. */
export const modelSetting = z
  .string()
  .nullish()
  .describe("Model that every request asks for, in place of the client's.");

/** The pinned model, '' without one. */
export function pinnedModel(provider: AiProvider): string {
  return typeof provider.settings.model === 'string' ? provider.settings.model : '';
}

/** Formats at their usual paths below the base path. */
export function usualPaths(names: readonly (keyof typeof FORMAT_PATHS)[]): Map<FormatName, FormatPath> {
  return new Map(names.map((name) => [name, { path: FORMAT_PATHS[name], verbatim: false }]));
}

/** A configured `host:port` or bare host, or null where it is neither. */
export function parseHostPort(text: string, tls: boolean): { host: string; port: number } | null {
  const match = /^(\[[^\]]+\]|[^:/\s]+)(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const host = (match[1] as string).replace(/^\[|\]$/g, '');
  const port = match[2] === undefined ? (tls ? 443 : 80) : Number(match[2]);
  return port > 0 && port < 65536 ? { host, port } : null;
}
