import type { Definition } from '../definitions.ts';
import { fromJs } from '../values/json.ts';
import type { GatewayActivation, McpItem } from './activation.ts';
import { fieldOf, open, record, text } from './fields.ts';

type GatewayDefinition = Definition<GatewayActivation>;

const mcpOf = ({ facts }: GatewayActivation) => facts.mcp;
const ofMcp = fieldOf(mcpOf);
const ofBackend = fieldOf((activation) => activation.backend);

const PAYLOADS = ['arguments', 'result', 'error'] as const;

/** A tool, prompt, resource or task that a request is about. */
function item(
  description: string,
  kind: 'tool' | 'prompt' | 'resource' | 'task',
  payloads: Readonly<Partial<Record<'arguments' | 'result' | 'error', string>>> = {},
): GatewayDefinition {
  const itemOf = (activation: GatewayActivation) => mcpOf(activation)?.[kind];
  const field = fieldOf(itemOf);
  return record(description, (activation) => itemOf(activation) !== undefined, {
    target: field('The target that has it.', ({ target }) => target),
    name: field('Its name on the target.', ({ name }) => name),
    ...Object.fromEntries(
      PAYLOADS.flatMap((name) => {
        const what = payloads[name];
        if (what === undefined) return [];
        const read = (value: McpItem, activation: GatewayActivation) =>
          activation.once(`mcp.${kind}.${name}`, () => fromJs(value[name]));
        return [[name, field(what, read)]];
      }),
    ),
  });
}

export const mcp: GatewayDefinition = record('An MCP request.', (activation) => (mcpOf(activation) ?? null) !== null, {
  methodName: ofMcp('Its method, `tools/call` for one.', ({ methodName }) => text(methodName)),
  sessionId: ofMcp('Its session.', ({ sessionId }) => text(sessionId)),
  tool: item('The tool it calls.', 'tool', {
    arguments: 'What it is called with; after the request.',
    result: 'What it gave; after the request.',
    error: 'The error it ended in; after the request.',
  }),
  prompt: item('The prompt it asks for.', 'prompt'),
  resource: item('The resource it reads.', 'resource'),
  task: item('The task it is about.', 'task'),
});

export const backend: GatewayDefinition = record(
  'The backend the request goes to.',
  (activation) => activation.backend !== null,
  {
    name: ofBackend('Its name.', ({ name }) => name),
    type: ofBackend('`ai`, `mcp`, `static`, `dynamic`, `service` or `unknown`.', ({ type }) => type),
    protocol: ofBackend('`http`, `tcp`, `a2a`, `mcp` or `llm`.', ({ protocol }) => protocol),
  },
);

export const extauthz: GatewayDefinition = open(
  'extauthz',
  'What an external authorization service said.',
  ({ facts }) => facts.extauthz,
);
export const extproc: GatewayDefinition = open(
  'extproc',
  'What an external processor said.',
  ({ facts }) => facts.extproc,
);
export const mcpGuardrails: GatewayDefinition = open(
  'mcpGuardrails',
  'What MCP guardrail services said.',
  ({ facts }) => facts.mcpGuardrails,
);
export const metadata: GatewayDefinition = open(
  'metadata',
  'What transformations put there.',
  (activation) => activation.metadata,
);
