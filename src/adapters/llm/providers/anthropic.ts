import { z } from 'zod';
import type { HeaderList } from '../../../headers.ts';
import { defaultMaxTokensOf } from '../formats/claude/models.ts';
import { BodyEditor } from '../json-edit.ts';
import { Wanted } from '../json-wanted.ts';
import type { ProviderDefinition } from './provider.ts';
import { modelSetting, pinnedModel, usualPaths } from './settings.ts';

const ORIGIN = { host: 'api.anthropic.com', port: 443, tls: true };
const FORMATS = usualPaths(['messages', 'anthropicTokenCount']);
const VERSION = '2023-06-01';
/** OAuth tokens stay where they are; API keys go into x-api-key. */
const OAUTH_PREFIX = 'sk-ant-oat';

/** Anthropic, by its own Messages API. */
export const anthropic: ProviderDefinition = {
  name: 'anthropic',
  schema: z.strictObject({ model: modelSetting }),
  summary: "Anthropic's Messages API.",
  active: true,
  open: (provider) => ({
    telemetryName: 'anthropic',
    origin: ORIGIN,
    basePath: '/v1',
    formats: FORMATS,
    model: pinnedModel(provider),
    keepsPathOnHostOverride: true,
    fixHeaders: fixAnthropicHeaders,
    shapeNative: (bytes, _format, model) => withoutCloud(bytes, model),
    defaultMaxTokens: defaultMaxTokensOf,
  }),
};

const MEMBERS = new Wanted({ model: true, anthropic_version: true });
const IN_BODY = Buffer.from('"anthropic_version"');

/**
 * Vertex AI's clients say the API's version in the body, and the model in the path; Anthropic has them the other way round, and refuses
 * members it doesn't know.
 */
function withoutCloud(bytes: Buffer, model: string): Buffer {
  if (!bytes.includes(IN_BODY)) return bytes;
  const editor = new BodyEditor(bytes, MEMBERS);
  if (editor.find('anthropic_version') === null) return bytes;
  editor.set('anthropic_version', null);
  editor.set('model', JSON.stringify(model));
  return editor.apply();
}

/**
 * Puts the key where Anthropic looks for it, names the API version where the client didn't, and takes out a browser's marks,
 * which make the API refuse a request as coming from a page.
 */
export function fixAnthropicHeaders(headers: HeaderList, configuredLocation: boolean): void {
  if (!configuredLocation) {
    const authorization = headers.get('authorization');
    if (authorization !== undefined && authorization.slice(0, 7).toLowerCase() === 'bearer ') {
      const token = authorization.slice(7).trim();
      if (token.startsWith(OAUTH_PREFIX)) {
        headers.remove('x-api-key');
      } else {
        headers.remove('authorization');
        headers.set('x-api-key', token);
      }
    }
  }
  if (!headers.has('anthropic-version')) headers.add('anthropic-version', VERSION);
  removeBrowserMarks(headers);
}

function removeBrowserMarks(headers: HeaderList): void {
  const raw = headers.raw;
  let kept = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (name === 'origin' || name.startsWith('sec-fetch-') || name.startsWith('access-control-request-')) continue;
    raw[kept] = name;
    raw[kept + 1] = raw[i + 1] as string;
    kept += 2;
  }
  raw.length = kept;
}
