import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { eventTypeOf, MessageCutter, payloadOf } from '../../../../src/adapters/llm/convert/event-stream.ts';

/**
 * Golden files in test/fixtures/conversions: what requests, answers and streams become, made from the examples in `inputs/`.
 * UPDATE_GOLDEN=1 rewrites them; read the difference before it is committed.
 */
const FIXTURES = new URL('../../../fixtures/conversions/', import.meta.url);

export interface SentEvent {
  event: string;
  data: string;
}

/** The examples in a folder of `inputs/` ('' = of conversations), by their names. */
export function inputsOf<Input>(folder: string): Map<string, Input> {
  const directory = new URL(`inputs/${folder === '' ? '' : `${folder}/`}`, FIXTURES);
  const files = readdirSync(directory).filter((file) => file.endsWith('.json'));
  return new Map(
    files.map((file) => [
      file.slice(0, -'.json'.length),
      JSON.parse(readFileSync(new URL(file, directory), 'utf8')) as Input,
    ]),
  );
}

/** `folder`: below the fixtures. `made`: a text, or what is written as JSON. */
export function golden(folder: string, name: string, made: unknown): void {
  const text = steady(typeof made === 'string' ? made : `${JSON.stringify(made, null, 2)}\n`);
  const file = new URL(`${folder}/${name}`, FIXTURES);
  if (process.env.UPDATE_GOLDEN === '1') {
    mkdirSync(new URL('.', file), { recursive: true });
    writeFileSync(file, text);
  }
  expect(text).toBe(readFileSync(file, 'utf8'));
}

/** The files that there are in a folder below the fixtures. */
export function goldenFiles(folder: string): string[] {
  return readdirSync(new URL(`${folder}/`, FIXTURES)).sort();
}

/** Random ids by the order in which they turn up. */
function steady(text: string): string {
  const seen = new Map<string, string>();
  return text.replaceAll(/[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => {
    if (!seen.has(id)) seen.set(id, `<id ${seen.size + 1}>`);
    return seen.get(id)!;
  });
}

export function sse({ event, data }: SentEvent): string {
  return `${event === '' ? '' : `event: ${event}\n`}data: ${data}\n\n`;
}

/** An AWS event stream as server-sent events would say it; what chunks of `invoke` hold as text. */
export function readable(bytes: Buffer): string {
  let text = '';
  const cutter = new MessageCutter(1 << 20);
  cutter.write(bytes, (message) => {
    const event = eventTypeOf(message);
    const data = payloadOf(message).toString();
    const chunk = event === 'chunk' ? Buffer.from(JSON.parse(data).bytes, 'base64').toString() : data;
    text += sse({ event, data: chunk });
  });
  return text;
}
