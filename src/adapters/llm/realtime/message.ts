import type { JsonObject } from '../../../facts/conversation.ts';
import type { RealtimeMessage, RealtimeSender } from '../../../facts/realtime.ts';
import { isObject } from '../formats/fields.ts';
import { JsonScanner } from '../json-scan.ts';
import { jsonString } from '../json-value.ts';
import { Wanted } from '../json-wanted.ts';

const TYPE = new Wanted({ type: true });
const TYPE_SLOT = TYPE.slot('type');

/** A message whose type and content are read when somebody asks for them. Audio is skipped, not parsed. */
export class Message implements RealtimeMessage {
  readonly from: RealtimeSender;
  readonly binary: boolean;
  readonly data: Buffer;
  #type: string | null = null;
  #json: JsonObject | null | undefined;

  constructor(from: RealtimeSender, data: Buffer, binary: boolean) {
    this.from = from;
    this.data = data;
    this.binary = binary;
  }

  get type(): string {
    if (this.#type === null) {
      const scan = new JsonScanner(TYPE);
      scan.write(this.data);
      this.#type = (scan.complete ? jsonString(scan.value(TYPE_SLOT)) : null) ?? '';
    }
    return this.#type;
  }

  json(): JsonObject | null {
    if (this.#json === undefined) {
      let parsed: unknown = null;
      try {
        parsed = JSON.parse(this.data.toString());
      } catch {
        // Not JSON: null says so.
      }
      this.#json = isObject(parsed) ? parsed : null;
    }
    return this.#json;
  }
}
