import type { Exchange } from '../../../exchange.ts';
import { parseObject } from '../formats/fields.ts';
import { BodyEditor } from '../json-edit.ts';
import { Wanted } from '../json-wanted.ts';
import { llmActivation, type ReadableBody } from './activation.ts';
import { type ComputedMember, computeMembers, type MemberValues } from './expressions.ts';

/** Members computed from the body as the provider gets it, which `llmRequest` is then; prepared once. */
export class FinalTransformations {
  readonly #members: readonly ComputedMember[];
  readonly #wanted: Wanted;

  constructor(members: readonly ComputedMember[]) {
    this.#members = members;
    this.#wanted = new Wanted(Object.fromEntries(members.map(({ name }) => [name, true as const])));
  }

  /** What they make of a body. `clientModel`: the model that the client named. */
  values(body: ReadableBody, exchange: Exchange, clientModel: string): MemberValues {
    return computeMembers(this.#members, llmActivation(exchange, body, clientModel));
  }

  /** The body with their values. */
  apply(bytes: Buffer, exchange: Exchange, clientModel: string): Buffer {
    const body = {
      get json() {
        return parseObject(bytes.toString('utf8'));
      },
    };
    const values = this.values(body, exchange, clientModel);
    const editor = new BodyEditor(bytes, this.#wanted);
    for (const [name, json] of values) editor.set(name, json);
    return editor.apply();
  }
}
