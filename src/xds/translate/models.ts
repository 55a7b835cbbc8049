import { FAILING_EXPRESSION } from '../../resources/policy-check.ts';
import type { AiProvider, LlmModel, LlmRouter, PolicyMap, VirtualModel } from '../../resources/types.ts';
import { WireError, type WireMessage } from '../../resources/wire.ts';
import { modelBackendName, nameOf, orderedName, readOrdered, routerKey, routerName } from './keys.ts';
import { below, messageIn, messagesIn, type Notes, numberIn, required, textIn } from './notes.ts';
import type { PolicySpecs } from './policies.ts';
import { readReference } from './references.ts';

type Drawn = Extract<VirtualModel['routing'], { kind: 'weighted' | 'conditional' }>;

/** One entry of a model router. */
export interface ModelPiece {
  readonly kind: 'model';
  readonly key: string;
  /** Place among those that are equally specific. */
  readonly order: number;
  /** Unix seconds; 0 = not known. */
  readonly created: number;
  /** Key of the LlmRouter. */
  readonly router: string;
  /** The listener that a router of its own serves, where the control plane names no router; '' = it does. */
  readonly listener: string;
  /** The name, or pattern, that clients ask for. */
  readonly model: string;
  readonly visibility: LlmModel['visibility'];
  /** Policies of the model, and those of the way to its provider. */
  readonly policies: PolicyMap;
  readonly connection: PolicyMap;
  /** Key of the Backend that serves it; '' for a virtual model that others stand for. */
  readonly backend: string;
  /** Others that stand for it; null: the backend's providers do. */
  readonly routing: Drawn | null;
  /** True where the backend's providers are a virtual model's. */
  readonly failover: boolean;
}

/** ModelRoute. Throws WireError. */
export function readModelRoute(wire: WireMessage, specs: PolicySpecs, notes: Notes): ModelPiece {
  const { name: ownKey, order } = readOrdered(required(wire, 'key'));
  const model = below(['match'], () => required(messageIn(wire, 'match'), 'model'));
  if (!isPattern(model))
    throw new WireError(`"${model}": at most one *, and only at one end or alone`, ['match', 'model']);
  const router = textIn(wire, 'router_key');
  const listener = textIn(wire, 'listener_key');
  if (router === '' && listener === '') throw new WireError('is missing', ['router_key']);
  const ai = messageIn(wire, 'ai_policy');
  const authorization = messageIn(wire, 'authorization');
  const aiPolicies = ai === undefined ? {} : specs.readAll('backend', 'ai_policy', [{ ai }], 'backend', notes);
  const rules =
    authorization === undefined ? {} : specs.readAll('traffic', 'authorization', [{ authorization }], 'route', notes);
  const base = {
    kind: 'model',
    key: `model/${ownKey}`,
    order,
    created: numberIn(wire, 'created'),
    router: router === '' ? `llm/${listener}` : routerKey(router),
    listener: router === '' ? listener : '',
    model,
    policies: { ...aiPolicies, ...rules },
  } as const;
  const concrete = messageIn(wire, 'concrete_model');
  if (concrete !== undefined) {
    const visibility = concrete.model_visibility === 'INTERNAL' ? 'internal' : 'public';
    const backend = below(['concrete_model', 'backend'], () => readBackend(concrete));
    const connection = below(['concrete_model'], () =>
      specs.readAll('backend', 'backend_policies', messagesIn(concrete, 'backend_policies'), 'backend', notes),
    );
    return { ...base, visibility, backend, connection, routing: null, failover: false };
  }
  const virtual = messageIn(wire, 'virtual_model');
  if (virtual === undefined) throw new WireError('a model of a kind that this version does not know');
  if (model.includes('*')) throw new WireError('a virtual model has a name, not a pattern', ['match', 'model']);
  return below(['virtual_model'], () => ({
    ...base,
    visibility: 'public' as const,
    connection: {},
    ...readVirtual(virtual, specs, notes),
  }));
}

function readVirtual(
  wire: WireMessage,
  specs: PolicySpecs,
  notes: Notes,
): Pick<ModelPiece, 'backend' | 'routing' | 'failover'> {
  const failover = messageIn(wire, 'failover');
  if (failover !== undefined) {
    return { backend: below(['failover', 'backend'], () => readBackend(failover)), routing: null, failover: true };
  }
  const weighted = messageIn(wire, 'weighted');
  if (weighted !== undefined) {
    const targets = targetsOf(weighted, 'weighted').map((one) => ({ ...one, weight: numberIn(one.wire, 'weight') }));
    if (targets.every(({ weight }) => weight === 0))
      throw new WireError('the weights of all targets are 0', ['weighted']);
    const routing = { kind: 'weighted' as const, targets: targets.map(({ model, weight }) => ({ model, weight })) };
    return { backend: '', routing, failover: false };
  }
  const conditional = messageIn(wire, 'conditional');
  if (conditional === undefined) throw new WireError('routing of a kind that this version does not know');
  const targets = targetsOf(conditional, 'conditional').map(({ model, wire: one }, index, all) => {
    const when = textIn(one, 'when');
    const path = ['conditional', 'targets', index];
    if (when === '' && index < all.length - 1)
      throw new WireError('a target without `when` can only be the last', path);
    const fault = when === '' ? null : specs.checker.expression(when);
    if (fault === null) return { model, when };
    notes.refuse(new WireError(fault, [...path, 'when']));
    return { model, when: FAILING_EXPRESSION };
  });
  return { backend: '', routing: { kind: 'conditional', targets }, failover: false };
}

function targetsOf(routing: WireMessage, field: string): { model: string; wire: WireMessage }[] {
  const targets = messagesIn(routing, 'targets');
  if (targets.length === 0) throw new WireError('is empty', [field, 'targets']);
  return targets.map((wire, index) => ({
    model: below([field, 'targets', index], () => required(wire, 'model')),
    wire,
  }));
}

function readBackend(wire: WireMessage): string {
  const target = readReference(messageIn(wire, 'backend'));
  if (target.kind !== 'backend') throw new WireError('names no backend');
  return target.key;
}

function isPattern(name: string): boolean {
  const star = name.indexOf('*');
  return star === -1 || (star === name.lastIndexOf('*') && (star === 0 || star === name.length - 1));
}

/** An LlmRouter as a message for each model and backend. Throws WireError for what only files can say. */
export function writeRouter(
  router: LlmRouter,
  specs: PolicySpecs,
  writeProviders: (groups: AiProvider[][]) => WireMessage,
): WireMessage[] {
  const name = routerName(router.key);
  const messages: WireMessage[] = [{ backend: { key: name, model_router: { router_key: name } } }];
  for (const [order, model] of router.models.entries()) {
    const { visibility, headers, provider, policies, passthrough } = model;
    if (headers.length > 0) throw new WireError("can't be said", ['headers']);
    if (passthrough !== 'detect') throw new WireError("can't be said", ['passthrough']);
    const { ai, authorization, ...others } = policies;
    if (Object.keys(others).length > 0) throw new WireError("can't be said", ['policies']);
    const key = modelBackendName(router.key, order);
    messages.push(
      {
        backend: {
          key,
          name: { name: provider.name, namespace: '' },
          ai: writeProviders([[{ ...provider, policies: {} }]]),
        },
      },
      {
        model_route: {
          key: orderedName(order, `${nameOf(router.key)}/model${order}`),
          router_key: name,
          match: { model: model.name },
          created: model.created ?? 0,
          concrete_model: {
            model_visibility: visibility === 'internal' ? 'INTERNAL' : 'PUBLIC',
            backend: { backend: key },
            backend_policies: specs.writeAll('backend', provider.policies),
          },
          ...(ai !== undefined && { ai_policy: specs.write('backend', { name: 'ai', value: ai })?.ai }),
          ...(authorization !== undefined && {
            authorization: specs.write('traffic', { name: 'authorization', value: authorization })?.authorization,
          }),
        },
      },
    );
  }
  for (const [index, { name: virtual, created = 0, routing }] of router.virtualModels.entries()) {
    if (routing.kind === 'failover') throw new WireError("can't be said", [virtual, 'failover']);
    const { kind, targets } = routing;
    messages.push({
      model_route: {
        key: orderedName(router.models.length + index, `${nameOf(router.key)}/virtual${index}`),
        router_key: name,
        match: { model: virtual },
        created,
        virtual_model: { [kind]: { targets: targets.map(writeTarget) } },
      },
    });
  }
  return messages;
}

function writeTarget(target: Drawn['targets'][number]): WireMessage {
  if (!('when' in target)) return target;
  return { model: target.model, ...(target.when !== '' && { when: target.when }) };
}
