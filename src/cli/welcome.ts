import type { Resource } from '../resources/types.ts';
import { firstRequest, localName } from './first-request.ts';

export interface WelcomeFacts {
  readonly version: string;
  readonly source: string;
  readonly workers: number;
  readonly resources: readonly Resource[];
  /** Where more configuration comes from; null = from nowhere. */
  readonly controlPlane: string | null;
  readonly addresses: Readonly<Record<'admin' | 'stats' | 'readiness', string | null>>;
  /** What is accepted but not executed, one line each. */
  readonly notices: readonly string[];
}

/** What is printed once the gateway serves: addresses, a request to try, and what of the configuration is not active. */
export function welcome(facts: WelcomeFacts, colours: boolean): string {
  const paint = (code: number, text: string) => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  const { version, workers, addresses } = facts;
  const lines = [
    `${paint(1, `Sluice ${version}`)} serves ${facts.source} with ${workers} ${workers === 1 ? 'worker' : 'workers'}`,
    '',
  ];
  const row = (name: string, value: string, about = '') =>
    lines.push(`  ${name.padEnd(11)}${paint(36, value)}${about === '' ? '' : paint(2, `  ${about}`)}`);
  const binds = facts.resources.filter((resource) => resource.kind === 'bind').sort((a, b) => a.port - b.port);
  for (const bind of binds) {
    const listeners = facts.resources.filter(
      (resource) => resource.kind === 'listener' && resource.bindKey === bind.key,
    );
    const tls = listeners.some((listener) => listener.kind === 'listener' && listener.tls !== null);
    const scheme = bind.protocol === 'tcp' ? 'tcp' : tls ? 'https' : 'http';
    const keys = new Set(listeners.map(({ key }) => key));
    row('serving', `${scheme}://${localName(bind.address)}:${bind.port}`, contents(facts.resources, keys));
  }
  if (facts.controlPlane !== null) row('driven by', facts.controlPlane, 'what it sends is served too');
  else if (binds.length === 0) lines.push('  nothing is served: the configuration has no port');
  if (addresses.admin !== null) row('admin', addresses.admin);
  if (addresses.stats !== null) row('metrics', `${addresses.stats}/metrics`);
  if (addresses.readiness !== null) row('readiness', `${addresses.readiness}/healthz/ready`);
  if (facts.notices.length > 0) {
    lines.push('', paint(33, 'Accepted, not yet active:'));
    for (const notice of facts.notices) lines.push(`  ${notice}`);
  }
  const command = firstRequest(facts.resources);
  if (command !== null) lines.push('', 'Try it:', `  ${paint(32, command)}`);
  return `${lines.join('\n')}\n\n`;
}

/** What listeners serve, in a few words. */
function contents(resources: readonly Resource[], listeners: ReadonlySet<string>): string {
  const routes = resources.filter(
    (resource) => resource.kind === 'route' && resource.listenerKeys.some((key) => listeners.has(key)),
  );
  const models = new Set<string>();
  for (const route of routes) {
    if (route.kind !== 'route') continue;
    for (const { target } of route.backends) {
      if (target.kind !== 'llm') continue;
      const router = resources.find(({ key }) => key === target.key);
      if (router?.kind !== 'llmRouter') continue;
      for (const { name, visibility } of router.models) if (visibility === 'public') models.add(name);
    }
  }
  if (models.size > 0) {
    const shown = [...models].slice(0, 5).join(', ');
    return `models: ${shown}${models.size > 5 ? ` and ${models.size - 5} more` : ''}`;
  }
  return `${routes.length} ${routes.length === 1 ? 'route' : 'routes'}`;
}
