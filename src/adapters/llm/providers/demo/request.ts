/** What the demo provider reads of a request, whatever its format. */
export interface DemoRequest {
  readonly model: string;
  readonly streaming: boolean;
  readonly includeUsage: boolean;
  /** The last text a user wrote, shortened. */
  readonly question: string;
  readonly inputTokens: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const QUESTION_LENGTH = 200;
/** Nested content is followed this deep; deeper text doesn't count. */
const MAX_DEPTH = 16;

/** Reads a parsed request body. Tokens are its words: the demo counts no better than that, but it counts consistently. */
export function readDemoRequest(body: Readonly<Record<string, unknown>>): DemoRequest {
  const options = record(body.stream_options);
  const texts: string[] = [];
  for (const member of ['system', 'instructions', 'messages', 'input', 'prompt']) collectText(body[member], texts, 0);
  return {
    model: typeof body.model === 'string' ? body.model : 'demo',
    streaming: body.stream === true,
    includeUsage: options.include_usage === true,
    question: (texts.at(-1) ?? '').slice(0, QUESTION_LENGTH),
    inputTokens: texts.reduce((sum, text) => sum + countTokens(text), 0),
    body,
  };
}

/** The answer, plainly labelled as no model's. */
export function demoAnswer(request: DemoRequest): string {
  const asked = request.question === '' ? '' : ` You wrote: “${request.question}”.`;
  return (
    `[demo] This is Sluice's built-in demo provider, not ${request.model}: no provider key is configured, so nothing left ` +
    `this machine.${asked} Set OPENAI_API_KEY or ANTHROPIC_API_KEY and start again to get real answers.`
  );
}

/** Words, each with the space that follows it: the demo's tokens. */
export function splitTokens(text: string): string[] {
  return text.match(/\S+\s*/g) ?? [];
}

export function countTokens(text: string): number {
  return splitTokens(text).length;
}

function collectText(value: unknown, into: string[], depth: number): void {
  if (depth > MAX_DEPTH) return;
  if (typeof value === 'string') into.push(value);
  else if (Array.isArray(value)) for (const item of value) collectText(item, into, depth + 1);
  else if (typeof value === 'object' && value !== null) {
    const { content, text } = value as Record<string, unknown>;
    collectText(content, into, depth + 1);
    collectText(text, into, depth + 1);
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
