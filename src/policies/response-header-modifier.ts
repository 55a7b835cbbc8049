import { definePolicy } from './definition.ts';
import { HeaderEdit, headerModifierFaults, headerModifierSchema } from './header-fields.ts';

/** Gateway API `ResponseHeaderModifier`. */
export const responseHeaderModifier = definePolicy({
  name: 'responseHeaderModifier',
  schema: headerModifierSchema,
  summary: 'Adds, sets and removes response headers before the response is sent to the client.',
  levels: ['route', 'backend'],
  phase: 'request',
  protects: false,
  faults: (value) => headerModifierFaults(value, 'response'),
  compile(value) {
    const edit = new HeaderEdit(value);
    return {
      onResponse(head) {
        edit.apply(head.headers);
      },
    };
  },
});
