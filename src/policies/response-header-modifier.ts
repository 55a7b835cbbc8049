import { definePolicy } from './definition.ts';
import { HeaderEdit, headerModifierFaults, headerModifierMessage, headerModifierSchema } from './header-fields.ts';

/** Gateway API `ResponseHeaderModifier`. */
export const responseHeaderModifier = definePolicy({
  name: 'responseHeaderModifier',
  schema: headerModifierSchema,
  summary: 'Adds, sets and removes response headers before the response is sent to the client.',
  levels: ['route', 'backend'],
  phase: 'request',
  protects: false,
  wire: [
    { spec: 'traffic', field: 'response_header_modifier', message: headerModifierMessage },
    { spec: 'backend', field: 'response_header_modifier', message: headerModifierMessage },
  ],
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
