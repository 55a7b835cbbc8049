import { describe, expect, it } from 'vitest';
import type { AdapterServices } from '../../../src/adapters/adapter.ts';
import { ContentSample } from '../../../src/adapters/llm/content-sample.ts';

/** A token a letter; keeps what was counted. */
function counter() {
  const asked: string[] = [];
  const countTokens: AdapterServices['countTokens'] = async (texts) => {
    asked.push(...texts);
    return { tokens: texts.join('').length, exact: true };
  };
  return { asked, services: { countTokens } as AdapterServices };
}

async function textOf(event: string): Promise<string | undefined> {
  const sample = new ContentSample();
  const bytes = Buffer.from(`xx${event}yy`);
  sample.add(bytes, 2, bytes.length - 2);
  const { asked, services } = counter();
  await sample.estimate(1, 'm', services);
  return asked[0];
}

describe('a sample of an answer', () => {
  it.each([
    ['chat', 'data: {"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"}}]}\n\n', 'Hi'],
    [
      'chat, tool call',
      '{"choices":[{"delta":{"tool_calls":[{"id":"x","function":{"name":"f","arguments":"{1"}}]}}]}',
      '{1',
    ],
    ['responses', 'event: response.output_text.delta\ndata: {"type":"x","item_id":"i","delta":"Hi"}\n\n', 'Hi'],
    ['messages', 'data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}\n\n', 'Hi'],
    ['messages, thinking', 'data: {"delta":{"type":"thinking_delta","thinking":"Hm"}}\n\n', 'Hm'],
    ['messages, tool', 'data: {"delta":{"type":"input_json_delta","partial_json":"{\\"a"}}\n\n', '{"a'],
    ['gemini', 'data: {"candidates":[{"content":{"role":"model","parts":[{"text":"Hi"}]}}]}\n\n', 'Hi'],
    ['gemini, an element’s candidates', '[{"content":{"role":"model","parts":[{"text":"Hi"}]}}]', 'Hi'],
    ['converse', '{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"abc"}', 'Hi'],
    ['nothing known', 'data: {"x":"y"}\n\n', undefined],
    ['no JSON', 'data: {"content":"Hi\n\n', undefined],
  ])('finds the text in an event of %s', async (_, event, text) => {
    expect(await textOf(event)).toBe(text);
  });

  it('tells the tokens of all pieces by those of the first', async () => {
    const sample = new ContentSample();
    for (const text of ['abcd', 'ef']) sample.addText(text);
    expect(await sample.estimate(10, 'm', counter().services)).toBe(30);
  });

  it('takes a piece without text for a token', async () => {
    const sample = new ContentSample();
    const event = Buffer.from('data: {"x":1}');
    sample.add(event, 0, event.length);
    expect(await sample.estimate(7, 'm', counter().services)).toBe(7);
  });

  it('keeps little of a long stream, and only copies', async () => {
    const sample = new ContentSample();
    const event = Buffer.from(`data: {"text":"${'x'.repeat(100)}"}\n\n`);
    for (let i = 0; i < 10_000; i++) sample.add(event, 0, event.length);
    event.fill(0);
    expect(sample.size).toBeLessThan(50);
    const { asked, services } = counter();
    expect(await sample.estimate(10_000, 'm', services)).toBe(1_000_000);
    expect(asked[0]).toMatch(/^x+$/);
    const long = new ContentSample();
    long.addText('y'.repeat(100_000));
    long.addText('z');
    expect(long.size).toBe(1);
  });
});
