import type { Exchange } from '../../../exchange.ts';

/** The model in a session's URL: `model` in OpenAI's API, `deployment` in the dated versions of Azure's. */

const MODEL_NAMES: ReadonlySet<string> = new Set(['model', 'deployment']);
/** What only Azure's API has; `api-key` is a credential. */
const AZURE_NAMES: ReadonlySet<string> = new Set(['api-version', 'api-key']);
const AZURE = /\/openai\/(?:v1\/)?realtime$/;
/** Dated versions of Azure's API; those without a date name the model like OpenAI. */
const AZURE_DATED = /\/openai\/realtime$/;

/** A session is asked for, and not a call negotiated over HTTP (WebRTC), which goes to the same path. */
export function opensSession({ method, downstream }: Exchange): boolean {
  return method === 'GET' || downstream.upgrade !== null;
}

/** The model that a client's query names, or ''; the first of several, which is the one that goes on. */
export function modelInQuery(query: string): string {
  for (const pair of query.split('&')) {
    const at = pair.indexOf('=');
    if (at > 0 && MODEL_NAMES.has(nameOf(pair))) return decode(pair.slice(at + 1));
  }
  return '';
}

/** A path with query as it goes to a provider: for `model`, in the words of the API that the path belongs to. */
export function withModelQuery(target: string, model: string): string {
  const question = target.indexOf('?');
  const path = question < 0 ? target : target.slice(0, question);
  const azure = AZURE.test(path);
  const pairs = (question < 0 ? '' : target.slice(question + 1)).split('&').filter((pair) => {
    const name = nameOf(pair);
    return pair !== '' && !MODEL_NAMES.has(name) && (azure || !AZURE_NAMES.has(name));
  });
  if (model !== '') pairs.push(`${AZURE_DATED.test(path) ? 'deployment' : 'model'}=${encodeURIComponent(model)}`);
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
}

function nameOf(pair: string): string {
  return decode(pair.split('=', 1)[0] as string);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}
