import type { GatewayError } from '../../../../errors/table.ts';
import type { JsonObject } from '../../../../facts/conversation.ts';
import type { Usage } from '../../../../facts/llm.ts';
import { count, detail, fromInclusive, type ReportedUsage } from '../../usage.ts';
import { eventName } from '../events.ts';
import type { Format, StreamShape } from '../format.ts';
import { laterReport } from '../openai-chat/native.ts';
import { type Counted, uncounted } from '../uncounted.ts';

/** Input includes what was cached, output what was reasoning (https://platform.openai.com/docs/api-reference/responses). */
export function responsesUsage(report: ReportedUsage): Usage {
  return fromInclusive({
    input: count(report.input_tokens),
    output: count(report.output_tokens),
    total: count(report.total_tokens),
    cached: detail(report, 'input_tokens_details', 'cached_tokens'),
    cacheWrite: detail(report, 'input_tokens_details', 'cache_write_tokens'),
    reasoning: detail(report, 'output_tokens_details', 'reasoning_tokens'),
  });
}

const COUNTED: Counted = new Map([
  ['input_tokens', null],
  ['output_tokens', null],
  ['total_tokens', null],
  ['input_tokens_details', new Set(['cached_tokens', 'cache_write_tokens'])],
  ['output_tokens_details', new Set(['reasoning_tokens'])],
]);

/** What a report says beside the hub's counts. */
export function ownUsage(report: JsonObject | undefined): JsonObject | undefined {
  return report && uncounted(report, COUNTED);
}

const stream: StreamShape = {
  isContent: (bytes, start, end) => eventName(bytes, start, end).endsWith('.delta'),
  hasContent: null,
  /** The `error` event of the responses stream. */
  errorEvent(error: GatewayError): string {
    const event = { type: 'error', code: error.code, message: `${error.message} ${error.hint}`, param: null };
    return `event: error\ndata: ${JSON.stringify(event)}\n\n`;
  },
};

export const openaiResponses: Format = {
  operation: 'chat',
  dialect: 'openai',
  free: false,
  usageOnRequest: false,
  mergeUsage: laterReport,
  toUsage: responsesUsage,
  stream,
};
