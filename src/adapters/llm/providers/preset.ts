import type { FormatName } from '../formats/route-types.ts';
import type { ChatQuirks } from './chat-quirks.ts';

/** A service that speaks known APIs under another address. */
export interface Preset {
  readonly title: string;
  readonly baseUrl: string;
  /** Formats at their usual path, or with a whole path of their own. */
  readonly formats: Partial<Record<FormatName, string>>;
  /** See OpenProvider. */
  readonly statelessResponses?: boolean;
  readonly embedsTextsOnly?: boolean;
  /** How its chat completions differ from OpenAI's. */
  quirks?(model: string): ChatQuirks;
}

/** A format's usual path. */
export const USUAL = '';
