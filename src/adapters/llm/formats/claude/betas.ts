import type { JsonObject } from '../../../../facts/conversation.ts';
import type { HeaderList } from '../../../../headers.ts';

/** The field, and the member where there are no fields to have it in, that name Anthropic's beta features. */
export const BETA_FIELD = 'anthropic-beta';
const BETA_MEMBER = 'anthropic_beta';

/** The version that Bedrock's bodies for Claude name; there is no other. */
export const BEDROCK_VERSION = 'bedrock-2023-05-31';

/** The beta features that a request asks for, by its fields or (in Bedrock's and Vertex AI's bodies) by a member. */
export function betasOf(headers: HeaderList, body: JsonObject): string[] {
  const member = body[BETA_MEMBER];
  const named = Array.isArray(member) ? member.filter((name) => typeof name === 'string') : [];
  const listed = (headers.getJoined(BETA_FIELD) ?? '').split(',').map((name) => name.trim());
  return [...new Set([...named, ...listed])].filter((name) => name !== '');
}

/**
 * Those that Bedrock's Claude models take
 * (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html); a request that
 * names another is refused as a whole.
 */
const OF_BEDROCK = new Set([
  'computer-use-2025-01-24',
  'token-efficient-tools-2025-02-19',
  'interleaved-thinking-2025-05-14',
  'output-128k-2025-02-19',
  'dev-full-thinking-2025-05-14',
  'context-1m-2025-08-07',
  'context-management-2025-06-27',
  'effort-2025-11-24',
  'tool-search-tool-2025-10-19',
  'tool-examples-2025-10-29',
]);

export function betasOfBedrock(betas: readonly string[]): string[] {
  return betas.filter((name) => OF_BEDROCK.has(name));
}
