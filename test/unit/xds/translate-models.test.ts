import { describe, expect, it } from 'vitest';
import { listedModels } from '../../../src/adapters/llm/models/names.ts';
import type { AiProvider, Backend, LlmRouter, Route } from '../../../src/resources/types.ts';
import { fromResources } from '../../../src/xds/translate/index.ts';
import { CATALOGUE, House, policy, refusal, route, translated } from './translate-support.ts';

const provider = (more: object) => ({ name: 'p', ...more });
const ai = (...groups: object[][]) => ({ provider_groups: groups.map((providers) => ({ providers })) });
const backend = (key: string, more: object) => {
  const slash = key.indexOf('/');
  return { backend: { key, name: { namespace: key.slice(0, slash), name: key.slice(slash + 1) }, ...more } };
};

describe('providers', () => {
  const read = (more: object): AiProvider | undefined => {
    const { resource } = translated(backend('n/b', { ai: ai([provider(more)]) }));
    const { target } = resource as Backend;
    return target.kind === 'ai' ? target.ai.groups[0]?.[0] : undefined;
  };

  const PROVIDERS: (readonly [message: object, name: string, settings: object])[] = [
    [{ openai: { model: 'gpt-5' } }, 'openAI', { model: 'gpt-5' }],
    [
      { openai: { moderation: { model: 'm', policy: { input: { mode: 'MODERATION_MODE_BLOCK' } } } } },
      'openAI',
      { moderation: { model: 'm', policy: { input: { mode: 'block' } } } },
    ],
    [{ gemini: {} }, 'gemini', {}],
    [{ vertex: { project_id: 'p', region: 'r' } }, 'vertex', { projectId: 'p', region: 'r' }],
    [{ anthropic: { model: 'm' }, model_override: 'n' }, 'anthropic', { model: 'n' }],
    [
      { bedrock: { region: 'r', guardrail_identifier: 'g', guardrail_version: '1' } },
      'bedrock',
      { region: 'r', guardrailIdentifier: 'g', guardrailVersion: '1' },
    ],
    [{ azure: { resource_name: 'r' } }, 'azure', { resourceName: 'r', resourceType: 'openAI' }],
    [
      { azure: { resource_name: 'r', resource_type: 'FOUNDRY', project_name: 'p' } },
      'azure',
      { resourceName: 'r', resourceType: 'foundry', projectName: 'p' },
    ],
    [
      { custom: { formats: [{ format: 'MESSAGES', path: '/m' }] }, host_override: { host: 'h', port: 80 } },
      'custom',
      { formats: [{ type: 'messages', path: '/m' }] },
    ],
    ...[
      'cohere',
      'ollama',
      'baseten',
      'cerebras',
      'deepinfra',
      'deepseek',
      'groq',
      'huggingface',
      'mistral',
      'openrouter',
      'togetherai',
      'xai',
      'fireworks',
    ].map(
      (name) =>
        [
          { provider_preset: `PROVIDER_PRESET_${name.toUpperCase()}`, model_override: 'm' },
          name,
          { model: 'm' },
        ] as const,
    ),
  ];

  it.each(PROVIDERS)('%j', (message, name, settings) => {
    const found = read(message);
    expect(found?.provider).toBe(name);
    expect(found?.settings).toEqual(settings);
  });

  it.each([
    [{}, { hostOverride: '', hostOverrideTls: false, pathPrefix: '' }],
    [
      { base_url: 'https://h.example.com/v1/' },
      { hostOverride: 'h.example.com:443', hostOverrideTls: true, pathPrefix: '/v1' },
    ],
    [{ base_url: 'http://h:8080' }, { hostOverride: 'h:8080', hostOverrideTls: false, pathPrefix: '' }],
    [
      { host_override: { host: '::1', port: 80 }, path_prefix: '/x' },
      { hostOverride: '[::1]:80', hostOverrideTls: false, pathPrefix: '/x' },
    ],
    [
      { provider_backend: { inline: { hostname: 'h', port: 80 } } },
      { hostOverride: 'h:80', hostOverrideTls: false, pathPrefix: '' },
    ],
  ])('are at %j', (message, address) => expect(read({ openai: {}, ...message })).toMatchObject(address));

  it.each([
    [{}, 'names no provider'],
    [{ azureopenai: { host: 'h' } }, 'azureopenai: is no longer served'],
    [{ provider_preset: 99 }, '99 is not known to this version'],
    [{ custom: { formats: [{ format: 'MESSAGES' }] } }, 'a custom provider needs'],
    [{ bedrock: {} }, 'bedrock.region'],
    [{ openai: {}, base_url: 'ftp://h' }, 'base_url: not an http or https URL'],
    [{ openai: {}, base_url: 'http://u:p@h' }, 'base_url: holds credentials'],
    [{ openai: {}, base_url: 'http://h', path_prefix: '/x' }, 'base_url: excludes'],
    [{ openai: {}, host_override: { host: 'h' } }, 'host_override: needs host and port'],
  ])('%# are refused with the place', (message, reason) => {
    const refused = refusal(backend('n/b', { ai: ai([provider(message)]) }));
    expect(refused).toContain('backend.ai.provider_groups.0.providers.0');
    expect(refused).toContain(reason);
  });

  it('that are reached through others answer 503', () => {
    const elsewhere = provider({
      openai: {},
      provider_backend: { service: { namespace: 'n', hostname: 'pool' }, port: 8000 },
    });
    const { resource, warnings } = translated(backend('n/b', { ai: ai([elsewhere]) }));
    expect((resource as Backend).target.kind).toBe('inactive');
    expect(warnings.join()).toContain('provider_backend');
  });

  it('have names of their own', () => {
    expect(refusal(backend('n/b', { ai: ai([provider({ openai: {} })], [provider({ openai: {} })]) }))).toContain(
      'two providers',
    );
  });
});

describe('model routers', () => {
  const ROUTER = 'n/router';
  const model = (key: string, name: string, kind: object, more: object = {}) => ({
    model_route: { key, router_key: ROUTER, match: { model: name }, ...kind, ...more },
  });
  const concrete = (key: string, name: string, to: string, more: object = {}) =>
    model(key, name, { concrete_model: { backend: { backend: to }, ...more } });
  const openai = (key: string, more: object = {}) => backend(key, { ai: ai([provider({ openai: {} })]), ...more });
  const declared = { backend: { key: 'x', model_router: { router_key: ROUTER } } };
  const MESSAGES: [string, object][] = [
    ['declared', declared],
    ['a', concrete('n/a', 'gpt-*', 'n/a/backend')],
    ['b', concrete('n/b', 'gpt-5', 'n/b/backend', { model_visibility: 'INTERNAL' })],
    ['backend a', openai('n/a/backend')],
    ['backend b', openai('n/b/backend')],
    ['virtual', model('n/v', 'any', { virtual_model: { weighted: { targets: [{ model: 'gpt-5', weight: 2 }] } } })],
    ['route', route('r', { backends: [{ backend: { backend: ROUTER }, weight: 1 }] })],
  ];
  const house = (messages: readonly [string, object][]): House => {
    const built = new House();
    for (const [name, message] of messages) built.put(name, message);
    return built;
  };
  const router = (built: House): LlmRouter => built.get(`llm/${ROUTER}`) as LlmRouter;

  it('are put together from their parts in any order, the most specific model first', () => {
    const expected = router(house(MESSAGES));
    expect(expected.models.map(({ name, visibility }) => [name, visibility])).toEqual([
      ['gpt-5', 'internal'],
      ['gpt-*', 'public'],
    ]);
    expect(expected.virtualModels).toEqual([
      { name: 'any', routing: { kind: 'weighted', targets: [{ model: 'gpt-5', weight: 2 }] } },
    ]);
    for (let turn = 1; turn < MESSAGES.length; turn++) {
      expect(router(house([...MESSAGES.slice(turn), ...MESSAGES.slice(0, turn)]))).toEqual(expected);
    }
    expect(router(house(MESSAGES.toReversed()))).toEqual(expected);
  });

  it('list models with the date that the control plane gives them', () => {
    const targets = [{ model: 'gpt-5', weight: 1 }];
    const built = house([
      [
        'a',
        model('n/a', 'gpt-5', { concrete_model: { backend: { backend: 'n/a/backend' } } }, { created: 1_700_000_000 }),
      ],
      ['v', model('n/v', 'any', { virtual_model: { weighted: { targets } } }, { created: 1_700_000_001 })],
      ['backend a', openai('n/a/backend')],
    ]);
    const again = new House();
    for (const [index, { typeUrl, resource }] of fromResources([router(built)], CATALOGUE).entries()) {
      again.putBytes(`${index}`, resource.bytes, typeUrl);
    }
    for (const one of [built, again]) {
      expect(listedModels(router(one), null).map(({ id, created }) => [id, created])).toEqual([
        ['any', 1_700_000_001],
        ['gpt-5', 1_700_000_000],
      ]);
    }
  });

  it('are what routes lead to', () => {
    const built = house(MESSAGES);
    expect((built.get('route/r') as Route).backends[0]?.target).toEqual({ kind: 'backend', key: `backend/${ROUTER}` });
    expect(built.get(`backend/${ROUTER}`)).toMatchObject({
      name: 'router',
      namespace: 'n',
      target: { kind: 'llm', key: `llm/${ROUTER}` },
    });
  });

  it('lose what is removed', () => {
    const built = house(MESSAGES);
    built.remove('backend b');
    expect(router(built).models.map(({ name }) => name)).toEqual(['gpt-*']);
    for (const [name] of MESSAGES) built.remove(name);
    expect(built.all()).toEqual([]);
  });

  it('give each model what concerns its requests, and its provider what concerns the way there', () => {
    const built = house([
      ...MESSAGES.filter(([name]) => name !== 'backend b'),
      [
        'backend b',
        openai('n/b/backend', {
          inline_policies: [{ backend_tls: { hostname: 'inner' } }, { ai: { model_aliases: { a: 'b' } } }],
        }),
      ],
      [
        'attached',
        policy(
          'p',
          { backend: { namespace: 'n', name: 'b/backend' } },
          { backend: { auth: { key: { secret: 'sk' } } } },
        ),
      ],
      [
        'b',
        model(
          'n/b',
          'gpt-5',
          { concrete_model: { backend: { backend: 'n/b/backend' } } },
          { authorization: { allow: ['true'] }, ai_policy: { defaults: { temperature: '0' } } },
        ),
      ],
    ]);
    const [found] = router(built).models;
    expect(found?.provider).toMatchObject({ name: 'n/b/backend', provider: 'openAI' });
    expect(found?.provider.policies).toMatchObject({ backendTLS: { hostname: 'inner' }, backendAuth: { key: 'sk' } });
    expect(Object.keys(found?.policies ?? {}).sort()).toEqual(['ai', 'authorization']);
    expect(found?.policies.authorization).toEqual({ rules: ['true'] });
    built.remove('attached');
    expect(router(built).models[0]?.provider.policies).not.toHaveProperty('backendAuth');
  });

  it('fail over from provider to provider', () => {
    const built = house([
      ['v', model('n/v', 'resilient', { virtual_model: { failover: { backend: { backend: 'n/v/failover' } } } })],
      [
        'backend',
        backend('n/v/failover', {
          ai: ai(
            [
              { name: 'a', openai: { model: 'gpt-5' } },
              { name: 'b', anthropic: {} },
            ],
            [{ name: 'c', gemini: {} }],
          ),
        }),
      ],
    ]);
    const { models, virtualModels } = router(built);
    expect(virtualModels).toEqual([
      {
        name: 'resilient',
        routing: {
          kind: 'failover',
          targets: [
            { model: 'n/v/failover/a', priority: 0 },
            { model: 'n/v/failover/b', priority: 0 },
            { model: 'n/v/failover/c', priority: 1 },
          ],
        },
      },
    ]);
    expect(models.map(({ name, visibility, provider }) => [name, visibility, provider.settings.model]).sort()).toEqual([
      ['n/v/failover/a', 'internal', 'gpt-5'],
      ['n/v/failover/b', 'internal', 'resilient'],
      ['n/v/failover/c', 'internal', 'resilient'],
    ]);
  });

  it('answer 503 for models that can not be served as they are meant', () => {
    const two = ai([
      { name: 'a', openai: {} },
      { name: 'b', anthropic: {} },
    ]);
    const built = house([
      ['a', concrete('n/a', 'gpt-*', 'n/several')],
      ['several', backend('n/several', { ai: two })],
      ['b', concrete('n/b', 'none', 'n/static')],
      ['static', backend('n/static', { static: { host: 'h', port: 80 } })],
      ['c', concrete('n/c', 'unknown', 'n/c')],
      ['unknown', openai('n/c', { inline_policies: [{}] })],
    ]);
    expect(
      router(built)
        .models.map(({ name, inactive }) => [name, inactive.length])
        .sort(),
    ).toEqual([
      ['gpt-*', 1],
      ['none', 1],
      ['unknown', 1],
    ]);
  });

  it('of a listener, which no one names, have a route of their own', () => {
    const built = house([
      [
        'm',
        {
          model_route: {
            key: 'm',
            listener_key: 'default/web.http',
            match: { model: 'gpt-5' },
            concrete_model: { backend: { backend: 'n/b' } },
          },
        },
      ],
      ['b', openai('n/b')],
    ]);
    const found = built.get('route/llm:request:default/web.http') as Route;
    expect(found.listenerKeys).toEqual(['listener/default/web.http']);
    expect(found.backends[0]?.target).toEqual({ kind: 'llm', key: 'llm/default/web.http' });
    expect((built.get('llm/default/web.http') as LlmRouter).models).toHaveLength(1);
    expect([...built.remove('m')].sort()).toEqual(['llm/default/web.http', 'route/llm:request:default/web.http']);
  });

  it.each([
    [model('m', '', {}), 'model_route.match.model: is missing'],
    [model('m', 'a*b', {}), 'at most one *'],
    [model('m', 'a', {}), 'a model of a kind'],
    [model('m', 'a*', { virtual_model: {} }), 'a virtual model has a name'],
    [model('m', 'a', { virtual_model: {} }), 'model_route.virtual_model: routing of a kind'],
    [model('m', 'a', { virtual_model: { weighted: {} } }), 'weighted.targets: is empty'],
    [
      model('m', 'a', { virtual_model: { weighted: { targets: [{ model: 'b' }] } } }),
      'the weights of all targets are 0',
    ],
    [
      model('m', 'a', { virtual_model: { conditional: { targets: [{ model: 'b' }, { model: 'c' }] } } }),
      'can only be the last',
    ],
    [
      model('m', 'a', { virtual_model: { conditional: { targets: [{ model: 'b', when: '1 +' }] } } }),
      'targets.0.when: not an expression',
    ],
    [model('m', 'a', { concrete_model: {} }), 'concrete_model.backend: names no backend'],
    [{ model_route: { key: 'm', match: { model: 'a' } } }, 'router_key: is missing'],
    [{ backend: { key: 'x', model_router: {} } }, 'backend.model_router.router_key: is missing'],
  ])('%# are refused with the place', (message, reason) => expect(refusal(message)).toContain(reason));
});
