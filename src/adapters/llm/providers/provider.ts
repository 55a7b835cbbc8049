import type { JsonObject } from '../../../facts/conversation.ts';
import type { HeaderList } from '../../../headers.ts';
import type { ProviderEntry } from '../../../resources/catalogue.ts';
import type { AiProvider } from '../../../resources/types.ts';
import type { Dispatch } from '../../../upstream/call.ts';
import type { SigningScope } from '../../../upstream/credentials/aws/sigv4.ts';
import type { AmbientCloud } from '../../../upstream/credentials/credentials.ts';
import type { Endpoint } from '../endpoints/endpoint.ts';
import type { Losses } from '../formats/features.ts';
import type { FormatName } from '../formats/route-types.ts';

/** One kind of LLM provider: its description and, where this version executes it, how to speak to it. */
export interface ProviderDefinition extends ProviderEntry {
  /** What the adapter works with; absent while the provider is only described. */
  open?(provider: AiProvider): OpenProvider;
  /** Whose credentials, found in the process's surroundings, it is shown where no backendAuth says otherwise. */
  readonly defaultAuth?: AmbientCloud;
}

/** Where requests go by default. */
export interface ProviderOrigin {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** A provider with its settings applied. */
export interface OpenProvider {
  /** gen_ai.provider.name. */
  readonly telemetryName: string;
  /** null: the configuration must say where it is. */
  readonly origin: ProviderOrigin | null;
  /** Base path of the API, which `pathPrefix` replaces: `/v1`. */
  readonly basePath: string;
  /** Formats it takes as they are → the path it takes them at; '' where the client's path is kept. */
  readonly formats: ReadonlyMap<FormatName, FormatPath>;
  /** In place of `formats` where they differ from model to model; '' = no model is known. */
  formatsFor?(model: string): ReadonlyMap<FormatName, FormatPath>;
  /** Where an API beside those of conversations is, in place of its path below the base path. `model` '': it asks none. */
  endpointPath?(endpoint: Pick<Endpoint, 'path' | 'asksModel'>, model: string): string;
  /** Where a path of no format is, in place of the one below the base path: a list of models, say. */
  otherPath?(path: string): string;
  /** What its requests are signed for, where they are. */
  readonly signingScope?: SigningScope;
  /** Model that every request asks for; '' = the client's. */
  readonly model: string;
  /** Query parameter in which clients of its API may bring their credential. */
  readonly keyParameter?: string;
  /** Embeds texts alone: what comes as tokens is made into text first. */
  readonly embedsTextsOnly?: boolean;
  /** True where a host override without a path prefix leaves the client's path as it is. */
  readonly keepsPathOnHostOverride: boolean;
  /**
   * Corrects a request's fields after backend policies have put the credential in. Runs once an attempt, on a list that may
   * have been through it before. `configuredLocation`: the operator said where the credential goes. `path`: as it is sent.
   */
  fixHeaders?(headers: HeaderList, configuredLocation: boolean, path: string): void;
  /** Whose thinking signatures the model takes; `telemetryName` where it doesn't say. */
  issuerOf?(model: string): string;
  /** How far what an issuer encrypts can be read: by who asks as the same account, or at the same place. Absent: by all of the issuer. */
  readonly readableBy?: 'account' | 'place';
  /** Longest answer asked for where the format insists on one and the client gave none. */
  defaultMaxTokens?(model: string): number | undefined;
  /**
   * A converted body as this provider wants it: fields it names otherwise, or refuses. `losses`: of a conversation, where what is left out
   * is noted.
   */
  shapeBody?(body: JsonObject, format: FormatName, model: string, losses?: Losses): JsonObject;
  /** The same of a body that is sent in the client's own format: what the operator insists on. */
  shapeNative?(bytes: Buffer, format: FormatName, model: string): Buffer;
  /** Where it speaks the responses API: it keeps no responses, so that the gateway does. */
  readonly statelessResponses?: boolean;
  /** Answers in the gateway itself, in place of an upstream. */
  readonly dispatch?: Dispatch;
}

export interface FormatPath {
  readonly path: string;
  /** In place of `path` where it names the model. `throughHub`: the gateway reads the answer, not the client. */
  pathOf?(model: string, streaming: boolean, throughHub: boolean): string;
  /** In place of the provider's base path. */
  readonly basePath?: string;
  /** In place of the provider's host, where none is configured. */
  readonly origin?: ProviderOrigin;
  /** Given by the operator or a preset as a whole: neither base path nor prefix applies. */
  readonly verbatim: boolean;
  /** Nobody said that the provider has it: what it speaks besides suggests so. */
  readonly assumed?: boolean;
}
