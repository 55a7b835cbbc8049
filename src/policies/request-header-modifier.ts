import { HeaderList } from '../headers.ts';
import { definePolicy } from './definition.ts';
import { HeaderEdit, headerModifierFaults, headerModifierMessage, headerModifierSchema } from './header-fields.ts';

/** Gateway API `RequestHeaderModifier`. On a route it edits the request; on a backend, each attempt that leaves for it. */
export const requestHeaderModifier = definePolicy({
  name: 'requestHeaderModifier',
  schema: headerModifierSchema,
  summary: 'Adds, sets and removes request headers before the request is forwarded; `set: {host: …}` changes the host.',
  levels: ['route', 'backend'],
  phase: 'request',
  protects: false,
  wire: [
    { spec: 'traffic', field: 'request_header_modifier', message: headerModifierMessage },
    { spec: 'backend', field: 'request_header_modifier', message: headerModifierMessage },
  ],
  faults: (value) => headerModifierFaults(value, 'request'),
  compile(value, scope) {
    const edit = new HeaderEdit(value);
    const host = edit.host;
    if (scope.level === 'backend') {
      return {
        onUpstream(call) {
          edit.apply(new HeaderList(call.headers));
          if (host !== null) call.authority = host;
        },
      };
    }
    return {
      onRequest(exchange) {
        edit.apply(exchange.headers);
        if (host !== null) exchange.authority = host;
        return undefined;
      },
    };
  },
});
