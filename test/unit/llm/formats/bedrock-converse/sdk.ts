import { Readable } from 'node:stream';
import {
  BedrockRuntimeClient,
  ConverseCommand,
  type ConverseCommandInput,
  type ConverseCommandOutput,
  ConverseStreamCommand,
  type ConverseStreamOutput,
} from '@aws-sdk/client-bedrock-runtime';
import { EVENT_STREAM_TYPE } from '../../../../../src/adapters/llm/convert/event-stream.ts';
import type { JsonObject } from '../../../../../src/facts/conversation.ts';

/** AWS's own client, with the network taken out. */

export interface Sent {
  readonly path: string;
  readonly body: JsonObject;
}

interface Reply {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body: Uint8Array;
}

function client(reply: Reply, sent: Sent[]): BedrockRuntimeClient {
  return new BedrockRuntimeClient({
    region: 'us-east-1',
    maxAttempts: 1,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    requestHandler: {
      async handle({ path, body: json }: { path: string; body: Uint8Array }) {
        const text = Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString();
        sent.push({ path, body: JSON.parse(text) });
        const { status: statusCode = 200, headers = {}, body } = reply;
        return { response: { statusCode, headers, body: Readable.from([body]) } };
      },
    } as never,
  });
}

/** What the client sends for an input, whatever comes back. */
export async function sentBy(input: ConverseCommandInput): Promise<Sent> {
  const sent: Sent[] = [];
  const body = Buffer.from('{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"end_turn"}');
  await client({ body, headers: { 'content-type': 'application/json' } }, sent).send(new ConverseCommand(input));
  return sent[0] as Sent;
}

const INPUT = { modelId: 'm', messages: [] };

/** An answer as the client reads it. */
export function readBy(body: JsonObject): Promise<ConverseCommandOutput> {
  const reply = { body: Buffer.from(JSON.stringify(body)), headers: { 'content-type': 'application/json' } };
  return client(reply, []).send(new ConverseCommand(INPUT));
}

/** An error reply as the client reads it. */
export async function refusedBy(status: number, headers: Record<string, string>, body: JsonObject): Promise<Error> {
  const reply = { status, headers, body: Buffer.from(JSON.stringify(body)) };
  return client(reply, [])
    .send(new ConverseCommand(INPUT))
    .then(
      () => new Error('no error'),
      (error: Error) => error,
    );
}

/** A stream as the client reads it; an exception in it is thrown. */
export async function streamedBy(bytes: Uint8Array): Promise<ConverseStreamOutput[]> {
  const reply = { body: bytes, headers: { 'content-type': EVENT_STREAM_TYPE } };
  const { stream = [] } = await client(reply, []).send(new ConverseStreamCommand(INPUT));
  const events: ConverseStreamOutput[] = [];
  for await (const event of stream) events.push(event);
  return events;
}
