import { z } from 'zod';
import { definePolicy } from './definition.ts';

/** Executed by the LLM adapter, which reads the value (`OnClientAbort` of facts/llm.ts) as data. */
export const onClientAbortPolicy = definePolicy({
  name: 'onClientAbort',
  schema: z.enum(['drain', 'cancel']),
  summary:
    "What becomes of an LLM answer whose client has left. `drain` (the default) reads it to its end, so that the provider's own count is accounted: that pays for tokens nobody reads. `cancel` stops it at once and accounts an estimate.",
  levels: ['route', 'backend'],
  phase: 'llm-response',
  protects: false,
  own: true,
  compile: () => ({}),
});
