import type { JsonObject, ToolChoice } from '../../../../facts/conversation.ts';
import { type Fields, optional } from '../fields.ts';

const CHOICE = new Set(['type', 'name', 'disable_parallel_tool_use']);

/** The tool choice, whether calls may be parallel, and what else stands there. */
export function decodeToolChoice(fields: Fields | undefined): {
  readonly toolChoice?: ToolChoice;
  readonly parallelToolCalls?: boolean;
  readonly rest?: JsonObject;
} {
  if (fields === undefined) return {};
  const type = fields.requiredString('type');
  const disabled = fields.boolean('disable_parallel_tool_use');
  const parallel = disabled === undefined ? {} : { parallelToolCalls: !disabled };
  const rest = optional('rest', fields.rest(CHOICE));
  switch (type) {
    case 'auto':
    case 'none':
      return { toolChoice: { mode: type }, ...parallel, ...rest };
    case 'any':
      return { toolChoice: { mode: 'required' }, ...parallel, ...rest };
    case 'tool':
      return { toolChoice: { mode: 'tool', name: fields.requiredString('name') }, ...parallel, ...rest };
    default:
      throw fields.fault('type', 'must be auto, any, tool or none');
  }
}
