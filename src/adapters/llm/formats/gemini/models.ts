/** What differs between generations of Gemini models, as far as a request has to mind it. */
export interface GeminiModel {
  /** 1.5, 2, 2.5, 3 …; Infinity where the name doesn't say: the newest is assumed. */
  readonly generation: number;
  readonly pro: boolean;
}

const PREFIX = 'gemini-';

/** Reads a model's name: `gemini-2.5-flash`, with or without a path in front. */
export function geminiModel(name: string): GeminiModel {
  const start = name.lastIndexOf(PREFIX);
  const generation = start < 0 ? Number.NaN : Number.parseFloat(name.slice(start + PREFIX.length));
  return { generation: Number.isNaN(generation) ? Number.POSITIVE_INFINITY : generation, pro: name.includes('-pro') };
}

/** From here on models think. */
export const THINKING = 2.5;
/** From here on models read media at any URL (https://ai.google.dev/gemini-api/docs/file-input-methods). */
export const URLS = 2.5;
/** From here on models take thinking levels, media in tool results and of its own resolution, and insist on signatures of tool calls. */
export const LEVELS = 3;
