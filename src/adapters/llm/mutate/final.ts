import type { Exchange } from '../../../exchange.ts';
import { parseObject } from '../formats/fields.ts';
import { BodyEditor } from '../json-edit.ts';
import { Wanted } from '../json-wanted.ts';
import { llmActivation } from './activation.ts';
import { type ComputedMember, computeMembers } from './expressions.ts';

/** Members computed from the body as the provider gets it, which `llmRequest` is then; prepared once. */
export class FinalTransformations {
  readonly #members: readonly ComputedMember[];
  readonly #wanted: Wanted;

  constructor(members: readonly ComputedMember[]) {
    this.#members = members;
    this.#wanted = new Wanted(Object.fromEntries(members.map(({ name }) => [name, true as const])));
  }

  /** @param clientModel the model that the client named */
  apply(bytes: Buffer, exchange: Exchange, clientModel: string): Buffer {
    const body = {
      get json() {
        return parseObject(bytes.toString('utf8'));
      },
    };
    const values = computeMembers(this.#members, llmActivation(exchange, body, clientModel));
    const editor = new BodyEditor(bytes, this.#wanted);
    for (const [name, json] of values) editor.set(name, json);
    return editor.apply();
  }
}
