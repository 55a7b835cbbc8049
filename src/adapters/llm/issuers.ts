import type { WireFormat } from '../../facts/conversation.ts';
import type { RouteType } from '../../facts/llm.ts';
import type { CompiledBackend, RouteContext } from '../adapter.ts';
import { fingerprintOf } from './account.ts';
import { CODECS } from './formats/codecs.ts';
import { parseObject } from './formats/fields.ts';
import { behavesAsOpenAI } from './formats/openai-responses/own.ts';
import type { FormatName } from './formats/route-types.ts';
import { narrowIssuer } from './formats/signatures.ts';
import { matchesPattern } from './model-pattern.ts';
import type { ProviderTarget } from './target.ts';
import type { Option } from './target-groups.ts';

/** A provider, and what it may be asked for: names and patterns of models, '' = whatever the client names. */
export interface Asked {
  readonly target: ProviderTarget;
  readonly models: readonly string[];
}

/** A backend that is such providers. */
export interface AskedBackend extends CompiledBackend {
  readonly asked: readonly Asked[];
}

/**
 * Formats whose answers bear signatures, and for each a model that a provider is taken to be asked for in it where the configuration has
 * only a pattern. Requests to `invoke` bear those of Claude alone.
 */
const SIGNED: ReadonlyMap<FormatName | RouteType, string> = new Map<WireFormat, string>([
  ['responses', 'gpt-5'],
  ['messages', 'claude-sonnet-4-5'],
  ['generateContent', 'gemini-3-pro'],
  ['converse', ''],
]);

/** OpenAI encrypts its reasoning for those who ask for it, who say so by this name. */
const ENCRYPTED = Buffer.from('encrypted_content');
const BACKGROUND = Buffer.from('"background"');

/** Whose signatures a client of one format may be given by the providers that take it as it is. */
interface FormatIssuers {
  readonly several: boolean;
  /** Issuers of which there are several accounts or places, which can't read each other's. */
  readonly split: ReadonlySet<string>;
}

const ONE: FormatIssuers = { several: false, split: new Set() };

/**
 * Whose signatures of thinking there are behind one route: all that the providers of its `ai` backends make, or all models of the `llm:`
 * section, between which a client may change in mid-conversation. Where it is one issuer for a format, requests and answers in that format need no
 * marks; where there are several, what is unmarked is from before, or from outside: it counts as its format's own (OpenAI's in the
 * responses API, Anthropic's in messages and Converse, Google's in Gemini's).
 */
export class Issuers {
  readonly #context: RouteContext;
  readonly #asked: readonly Asked[];
  readonly #known = new Map<FormatName | RouteType, FormatIssuers>();

  constructor(context: RouteContext, asked: readonly Asked[]) {
    this.#context = context;
    this.#asked = asked;
  }

  /** Whether a request in the provider's own format must be read, and its answer marked, so that each gets only what it issued. */
  mustMark(format: FormatName | RouteType, target: ProviderTarget, model: string, body: Buffer): boolean {
    if (!this.#of(format).several) return false;
    if (format !== 'responses' || !behavesAsOpenAI(target.issuer(model))) return true;
    return body.includes(ENCRYPTED) && !isInBackground(body);
  }

  /** Whose signatures an option takes and makes in a format. */
  issuerFor({ target, account }: Option, model: string, format: FormatName | RouteType): string {
    const issuer = target.issuer(model);
    if (!this.#of(format).split.has(issuer)) return issuer;
    return narrowIssuer(issuer, target.reach(account?.key?.fingerprint ?? null, this.#context));
  }

  #of(format: FormatName | RouteType): FormatIssuers {
    let issuers = this.#known.get(format);
    if (issuers === undefined) {
      issuers = this.#read(format);
      this.#known.set(format, issuers);
    }
    return issuers;
  }

  #read(format: FormatName | RouteType): FormatIssuers {
    const usual = SIGNED.get(format);
    if (usual === undefined) return ONE;
    const own = CODECS.get(format as WireFormat)?.issuer ?? '';
    const found = new Map<string, Set<string>>();
    for (const { target, name, context } of this.#all()) {
      const issuer = issuerOf(target, name, usual, format as WireFormat, own);
      if (issuer === null) continue;
      const reaches = found.get(issuer) ?? new Set();
      const keys = target.keys(context);
      for (const key of keys) reaches.add(target.reach(fingerprintOf(key), context));
      if (keys.length === 0) reaches.add(target.reach(null, context));
      found.set(issuer, reaches);
    }
    const split = [...found].filter(([, reaches]) => reaches.size > 1).map(([issuer]) => issuer);
    return { several: found.size > 1 || split.length > 0, split: new Set(split) };
  }

  /** Who may be asked for what on the route. */
  *#all(): Generator<{ readonly target: ProviderTarget; readonly name: string; readonly context: RouteContext }> {
    const all = [{ asked: this.#asked, context: this.#context }];
    for (const { backend, context } of this.#context.beside?.() ?? [])
      if (context !== this.#context && 'asked' in backend)
        all.push({ asked: (backend as AskedBackend).asked, context });
    for (const { asked, context } of all)
      for (const { target, models } of asked)
        if (target.active) for (const name of new Set(models)) yield { target, name, context };
  }
}

/** What is answered in the background is asked for later, when it passes as it is. */
function isInBackground(body: Buffer): boolean {
  return body.includes(BACKGROUND) && parseObject(body.toString('utf8'))?.background === true;
}

/**
 * Who signs what a target is asked for by this name or pattern; null where nobody does. Who is spoken to in another format counts where
 * what comes unmarked is taken to be theirs.
 */
function issuerOf(target: ProviderTarget, name: string, usual: string, format: WireFormat, own: string): string | null {
  const models = concrete(target.provider.model || name, usual);
  const native = models.find((model) => target.formats(model).has(format));
  if (native !== undefined) return target.issuer(native);
  return models.some((model) => target.issuer(model) === own) ? own : null;
}

/** The model of a name; of a pattern what it fixes, and the usual model where it is one of them. */
function concrete(name: string, usual: string): string[] {
  const pattern = name === '' ? '*' : name;
  if (!pattern.includes('*')) return [name];
  const fixed = pattern.replace('*', '');
  return matchesPattern(pattern, usual) ? [fixed, usual] : [fixed];
}
