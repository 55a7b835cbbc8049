import { GatewayError } from '../../errors/table.ts';
import type { Dispatch, UpstreamCall } from '../../upstream/call.ts';
import type { AdapterServices } from '../adapter.ts';
import type { CompiledAiPolicy } from './ai-policy.ts';
import { Attempts, type Directed } from './attempts.ts';
import type { Choice } from './choice.ts';
import { BodyContents } from './contents.ts';
import { isUnary, isWireFormat } from './convert/choose.ts';
import { ConvertibleRequest, putConverted } from './convert/convertible-request.ts';
import { fanOut } from './convert/fan-out.ts';
import { isCounted, withOwnSignatures } from './convert/own-signatures.ts';
import { textsForTokens } from './convert/token-inputs.ts';
import { putUnary } from './convert/unary-request.ts';
import { countOrLocally, HAS_NO_COUNT } from './count-or-locally.ts';
import { canCount, countLocally, countTokens } from './count-tokens.ts';
import { isClaude } from './formats/bedrock-converse/models.ts';
import { detect } from './formats/detect.ts';
import type { Format } from './formats/format.ts';
import { FORMATS } from './formats/index.ts';
import { isFormatName } from './formats/route-types.ts';
import { bearsMark } from './formats/signatures.ts';
import { namesRefusedUrls } from './media-fetch/refused-urls.ts';
import { llmActivation } from './mutate/activation.ts';
import { computeMembers, type MemberValues, NO_MEMBERS } from './mutate/expressions.ts';
import { finishBody } from './mutate/finish-body.ts';
import { saysStreamInPath, streamInPath } from './paths.ts';
import { countPrompt } from './prompt-count.ts';
import type { AnswerPlan } from './relay.ts';
import type { RequestBody } from './request-body.ts';
import { countOnBedrock, type Incoming, send } from './serve.ts';
import { isKeptHere } from './stored-responses/turn.ts';
import type { Destination, ProviderTarget } from './target.ts';
import type { Candidate, Option } from './target-groups.ts';

/**
 * Sends a request on. Where the provider takes the client's format, in the client's bytes but for the model, members that policies set,
 * and the request for usage in a stream; else converted.
 */
export function forwardJson(
  incoming: Incoming,
  body: RequestBody,
  choice: Choice,
  services: AdapterServices,
): void | Promise<void> {
  return new ForwardedRequest(incoming, body, choice, services).start();
}

/** What a target's policies make of a request's members. */
interface Changed {
  readonly candidate: Candidate;
  readonly policy: CompiledAiPolicy;
  readonly changes: MemberValues;
  /** '' where none is asked for. */
  readonly model: string;
}

class ForwardedRequest {
  readonly #incoming: Incoming;
  readonly #body: RequestBody;
  readonly #choice: Choice;
  readonly #services: AdapterServices;
  readonly #format: Format;
  /** The path asks for a stream; or says, where the body does, that there is none. */
  readonly #pathStreams: boolean;
  readonly #pathDecides: boolean;
  readonly #wantsUsage: boolean;
  /** How the answer is read: filled in for each attempt. */
  readonly #answer: AnswerPlan;
  #convertible: ConvertibleRequest | null = null;
  /** What was made of the members, for each candidate once. */
  readonly #changes: Changed[];
  /** The provider is only taken to count tokens. */
  #maybeCounts = false;

  constructor(
    incoming: Incoming,
    body: RequestBody,
    choice: Choice,
    services: AdapterServices,
    changes: Changed[] = [],
  ) {
    const { exchange, facts, route } = incoming;
    const { model } = choice;
    this.#incoming = incoming;
    this.#body = body;
    this.#choice = choice;
    this.#services = services;
    this.#format = FORMATS.get(route) ?? detect;
    this.#pathStreams = streamInPath(exchange.path);
    this.#pathDecides = saysStreamInPath(route);
    this.#wantsUsage = !this.#format.usageOnRequest || !body.lacksUsageOption();
    this.#changes = changes;
    this.#answer = { format: this.#format, hideUsage: false, onClientAbort: 'drain', conversion: null };
    facts.clientModel = model;
    facts.contents = new BodyContents(route, { bytes: body.bytes, headers: exchange.headers, model });
    facts.streaming = this.#pathStreams || (!this.#pathDecides && body.streaming);
  }

  start(): void | Promise<void> {
    const { exchange, context, facts, route } = this.#incoming;
    const { candidate } = this.#choice;
    facts.provider = candidate.target.provider.telemetryName;
    if (canCount(route) && isFormatName(route)) {
      const { model } = this.#changed(candidate);
      const formats = candidate.target.formats(model);
      if (route === 'anthropicTokenCount' && formats.has('bedrockCountTokens') && isClaude(model))
        return countOnBedrock(this.#incoming, this.#body, model, this.#choice, this.#services);
      const path = formats.get(route);
      if (path === undefined) return countTokens(this.#incoming, this.#body, model, this.#services);
      this.#maybeCounts = path.assumed === true;
    }
    if (route === 'embeddings' && !this.#embedsTokens(candidate)) {
      const texts = textsForTokens(this.#body.bytes, this.#services);
      if (texts !== null)
        return texts.then((bytes) => {
          if (exchange.endCause !== null) return;
          const body = this.#body.with(bytes);
          return new ForwardedRequest(this.#incoming, body, this.#choice, this.#services, this.#changes).start();
        });
    }
    const attempts = new Attempts(context, this.#choice);
    return attempts.begin(
      (option) => this.#direct(option),
      (call) => this.#launch(call, attempts),
    );
  }

  #changed(candidate: Candidate): Changed {
    for (const changed of this.#changes) if (changed.candidate === candidate) return changed;
    const changed = this.#change(candidate);
    this.#changes.push(changed);
    return changed;
  }

  #change(candidate: Candidate): Changed {
    const { target, model } = candidate;
    const policy = this.#choice.policyOf(target);
    const asked = target.provider.model || model || this.#choice.model;
    const { transformations } = policy;
    const computed =
      transformations.length === 0
        ? NO_MEMBERS
        : computeMembers(
            transformations,
            llmActivation(this.#incoming.exchange, this.#body, this.#choice.model, asked),
          );
    const changes = this.#body.changes(policy, computed, asked);
    return { candidate, policy, changes, model: this.#body.modelFor(asked, changes, policy) };
  }

  /** The request as a candidate gets it. Throws, or rejects, where it can't take it. */
  #direct(candidate: Option): Directed | Promise<Directed> {
    const { exchange, context, route, pathModel } = this.#incoming;
    const { issuers } = this.#choice;
    const { target } = candidate;
    const { policy, changes, model } = this.#changed(candidate);
    if (model === '') throw new GatewayError('missing_model');
    const own = target.formatFor(route, model);
    // A model's own API is only passed on: what bears others' signatures goes by way of the one that is written anew.
    const spoken = own === 'invoke' && bearsMark(this.#body.bytes) ? 'converse' : own;
    const converted = spoken !== route;
    const streaming = !this.#pathDecides && this.#body.streamingWith(changes);
    const includeUsage = !converted && streaming && !this.#wantsUsage;
    const edited = this.#body.encode(pathModel === '' ? model : '', changes, includeUsage);
    const bytes = policy.prompts === null ? edited : policy.prompts.apply(edited, route);
    const { mediaFetch, strict } = policy;
    const mayNeedMedia = mediaFetch !== null && !converted && namesRefusedUrls(bytes, route, target.provider, model);
    const throughHub =
      converted ||
      isKeptHere(this.#incoming, target.provider) ||
      (isWireFormat(route) && (bearsMark(bytes) || mayNeedMedia || issuers.mustMark(route, target, model, bytes)));
    const to = { route: spoken, converted, throughHub, model, streaming: streaming || this.#pathStreams };
    const call = target.call(exchange, context, to, true);
    const finish = (one: Buffer) => finishBody(one, to, policy, exchange);
    const directed = (plan: Pick<AnswerPlan, 'conversion' | 'further'>): Directed => {
      if (Buffer.isBuffer(call.body)) call.body = finish(call.body);
      return { call, commit: () => this.#commit(target, to, includeUsage, plan) };
    };
    if (converted && isUnary(route)) return directed(putUnary(call, this.#incoming, bytes, target, to, strict, finish));
    if (!throughHub) {
      const counted = isCounted(route) && bearsMark(bytes);
      const own = counted ? withOwnSignatures(bytes, route, { issuer: target.issuer(model), model }) : bytes;
      call.body = target.shapeNative(own, to);
      return directed({ conversion: null });
    }
    this.#convertible ??= new ConvertibleRequest(this.#incoming, this.#wantsUsage, this.#services);
    const request = this.#convertible;
    const convert = () => {
      const conversion = request.convert(bytes, target, to, issuers.issuerFor(candidate, model, spoken), strict);
      putConverted(call, conversion, target, to);
      return directed({ conversion });
    };
    const fetching = mediaFetch === null ? null : request.fetchMedia(bytes, target, to, mediaFetch);
    return fetching === null ? convert() : fetching.then(convert);
  }

  #commit(
    target: ProviderTarget,
    { route, model, streaming }: Destination,
    hideUsage: boolean,
    { conversion, further = null }: Pick<AnswerPlan, 'conversion' | 'further'>,
  ): void {
    const { facts } = this.#incoming;
    facts.provider = target.provider.telemetryName;
    facts.requestModel = model;
    facts.streaming = streaming;
    const answer = this.#answer;
    answer.format = FORMATS.get(route) ?? this.#format;
    answer.hideUsage = hideUsage;
    // No more calls are made for a client that has left.
    answer.onClientAbort = further !== null ? 'cancel' : this.#choice.onClientAbortOf(target);
    answer.conversion = conversion;
    answer.further = further;
  }

  #embedsTokens(candidate: Candidate): boolean {
    const { target } = candidate;
    return target.provider.embedsTextsOnly !== true && target.formats(this.#changed(candidate).model).has('embeddings');
  }

  #launch(call: UpstreamCall, attempts: Attempts): void | Promise<void> {
    const { exchange, facts, route } = this.#incoming;
    const answer = this.#answer;
    let wrap: ((dispatch: Dispatch) => Dispatch) | undefined;
    if (isUnary(route))
      wrap = (dispatch) => fanOut(dispatch, () => answer.further ?? null, this.#choice.others !== null);
    else if (this.#maybeCounts)
      wrap = (dispatch) =>
        countOrLocally(dispatch, HAS_NO_COUNT, () =>
          countLocally(this.#incoming, this.#body, facts.requestModel, this.#services),
        );
    const sendNow = () => send(this.#incoming, call, attempts, this.#services, answer, wrap);
    const counted = countPrompt(this.#incoming, this.#body, attempts.target, this.#services);
    if (counted === null) return sendNow();
    return counted.then(() => {
      if (exchange.endCause === null) sendNow();
    });
  }
}
