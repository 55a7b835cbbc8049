import type { LocalSettings } from '../../resources/schema/index.ts';
import type { SelfSettings } from '../../resources/settings.ts';
import type { Locality } from '../../resources/types.ts';
import type { Section } from '../section.ts';
import type { Environment } from '../substitute.ts';
import type { Reader } from './settings.ts';

/** Where this process runs, by agentgateway's names: mostly the environment's word, which a deployment's manifest gives. */
export function normalizeSelf(
  reader: Reader,
  section: Section<LocalSettings> | undefined,
  env: Environment,
): SelfSettings {
  const text = (value: string): string => value;
  const locality = env.LOCALITY ?? '';
  return {
    network: reader.read('network', section?.get('network'), ['config', 'network'], '', text),
    clusterId: reader.read('clusterId', section?.get('clusterId'), ['config', 'clusterId'], 'Kubernetes', text),
    node: env.NODE_NAME ?? '',
    locality: locality === '' ? null : parseLocality(locality),
    podName: env.POD_NAME ?? '',
    podNamespace: env.POD_NAMESPACE || env.NAMESPACE || '',
  };
}

/** `region/zone/subzone`, of which the end may be missing. */
function parseLocality(text: string): Locality {
  const [region = '', zone = '', ...subzone] = text.split('/');
  return { region, zone, subzone: subzone.join('/') };
}
