/**
 * The hub of all conversions: one model of a conversation that holds everything any format can say. A format's decoder makes it from
 * a request, another's encoder makes a request of it. What only one format knows stands in `extra`, under its own names, so that a
 * round trip through the hub keeps it.
 *
 * Absent and null mean the same throughout: the client did not say.
 */

/** A wire format that conversations can be decoded from and encoded to. */
export type WireFormat = 'completions' | 'messages' | 'responses' | 'generateContent' | 'converse';

/** A format that clients may speak: the hub's, and those that conversations are only decoded from. */
export type ClientFormat = WireFormat | 'textCompletions' | 'invoke';

export type JsonObject = { [name: string]: unknown };

/** Fields that only `format` knows, under their own names. */
export interface Extra {
  readonly format: ClientFormat;
  readonly fields: JsonObject;
}

/**
 * The proof that a piece of thinking is a provider's own. It is worth something to `issuer` alone (`anthropic`, `google`, `openai`, or a
 * provider's name), and other providers refuse it.
 */
export interface Signature {
  readonly issuer: string;
  readonly data: string;
}

/** A prompt-cache breakpoint behind the piece that carries it. `ttl` as the client wrote it: `5m`, `1h`; '' = the provider's default. */
export interface CacheMark {
  readonly ttl: string;
}

/** Where a medium's bytes are. `data` of base64 is not decoded. */
export type MediaSource =
  | { readonly type: 'base64'; readonly mediaType: string; readonly data: string }
  | { readonly type: 'url'; readonly url: string; readonly mediaType: string }
  /** A file the client uploaded to `issuer` before. */
  | { readonly type: 'file'; readonly issuer: string; readonly id: string; readonly mediaType: string }
  /** A plain-text document. */
  | { readonly type: 'text'; readonly text: string };

/** Where a statement of an answer comes from. Offsets in characters of the text it belongs to; -1 = not given. */
export interface Citation {
  readonly kind: 'url' | 'document' | 'file' | 'search';
  readonly url?: string;
  readonly title?: string;
  /** The passage of the source. */
  readonly quote?: string;
  /** Range of the answer's text that the citation supports. */
  readonly start?: number;
  readonly end?: number;
  /** Place in the source document. */
  readonly document?: {
    readonly index: number;
    readonly unit: 'char' | 'page' | 'block';
    readonly start: number;
    readonly end: number;
  };
  readonly fileId?: string;
  /** What only its format knows of it. */
  readonly extra?: Extra;
}

interface PartBase {
  readonly cache?: CacheMark;
  readonly extra?: Extra;
}

export interface TextPart extends PartBase {
  readonly kind: 'text';
  readonly text: string;
  readonly citations?: readonly Citation[];
  /** Gemini signs text as well. */
  readonly signature?: Signature;
}

export interface ImagePart extends PartBase {
  readonly kind: 'image';
  readonly source: MediaSource;
  /** OpenAI's `low`, `high`, `auto`; Gemini's media resolution. */
  readonly detail?: string;
  readonly signature?: Signature;
}

export interface AudioPart extends PartBase {
  readonly kind: 'audio';
  readonly source: MediaSource;
  /** What is said in it, where the model says so. */
  readonly transcript?: string;
  /** Id by which the provider knows an answer's audio. */
  readonly id?: string;
}

export interface VideoPart extends PartBase {
  readonly kind: 'video';
  readonly source: MediaSource;
}

/** A PDF or other document. */
export interface FilePart extends PartBase {
  readonly kind: 'file';
  readonly source: MediaSource;
  readonly name?: string;
  /** What the document is about, for the model. */
  readonly context?: string;
  /** The model shall cite from it. */
  readonly citations?: boolean;
}

/** The model asks for a tool of the client's to be run. */
export interface ToolCallPart extends PartBase {
  readonly kind: 'tool_call';
  readonly id: string;
  readonly name: string;
  /** JSON text as the model wrote it; of a custom tool, its free text. */
  readonly arguments: string;
  readonly custom?: boolean;
  readonly signature?: Signature;
}

export interface ToolResultPart extends PartBase {
  readonly kind: 'tool_result';
  readonly callId: string;
  /** Name of the tool; '' where the format doesn't say (`nameToolResults` finds it from the call). */
  readonly name: string;
  readonly content: readonly Part[];
  readonly isError: boolean;
  readonly custom?: boolean;
}

export interface ThinkingPart extends PartBase {
  readonly kind: 'thinking';
  /** '' where the provider keeps it to itself. */
  readonly text: string;
  /** `text` is a summary of it. */
  readonly summary?: boolean;
  readonly signature?: Signature;
  /** Thinking that only its issuer can read, in place of the text. */
  readonly redacted?: Signature;
  /** Id by which the provider knows it (`rs_…`). */
  readonly id?: string;
}

export interface RefusalPart extends PartBase {
  readonly kind: 'refusal';
  readonly text: string;
}

/** A piece that only `format` knows (a built-in tool's call or result), as it stands there. */
export interface OtherPart {
  readonly kind: 'other';
  readonly format: WireFormat;
  /** Its `type`, or what stands for it, by which a refusal names it. */
  readonly name: string;
  readonly value: JsonObject;
  readonly cache?: CacheMark;
}

export type Part =
  | TextPart
  | ImagePart
  | AudioPart
  | VideoPart
  | FilePart
  | ToolCallPart
  | ToolResultPart
  | ThinkingPart
  | RefusalPart
  | OtherPart;

/** `tool`: a message of tool results alone, as OpenAI and Gemini have them; Anthropic and Bedrock put them into user messages. */
export type Role = 'system' | 'developer' | 'user' | 'assistant' | 'tool';

export interface Message {
  readonly role: Role;
  readonly parts: readonly Part[];
  /** Name of the participant. */
  readonly name?: string;
  readonly id?: string;
  readonly extra?: Extra;
}

/** A tool that the client runs. */
export interface FunctionTool {
  readonly kind: 'function';
  readonly name: string;
  readonly description?: string;
  /** JSON schema of the arguments; null = takes none. */
  readonly parameters: JsonObject | null;
  /** The arguments must match the schema exactly. */
  readonly strict?: boolean;
  readonly cache?: CacheMark;
  readonly extra?: Extra;
}

/** A tool whose argument is free text (OpenAI's custom tools). */
export interface CustomTool {
  readonly kind: 'custom';
  readonly name: string;
  readonly description?: string;
  /** The language the text must be in, as OpenAI's responses format says it: `{type: 'grammar', syntax, definition}`. */
  readonly grammar?: JsonObject;
  readonly extra?: Extra;
}

/** A tool that the provider runs (web search, code execution …): only its own format can say it. */
export interface ProviderTool {
  readonly kind: 'provider';
  readonly format: WireFormat;
  /** Its `type`, by which a refusal names it. */
  readonly name: string;
  readonly value: JsonObject;
  readonly cache?: CacheMark;
}

export type Tool = FunctionTool | CustomTool | ProviderTool;

export interface ToolChoice {
  /** `required`: some tool; `tool`: the one named. */
  readonly mode: 'auto' | 'none' | 'required' | 'tool';
  /** Of `tool`. */
  readonly name?: string;
  /** Only these may be called. */
  readonly allowed?: readonly string[];
}

/** The form the answer must have. */
export type OutputFormat =
  | { readonly type: 'json' }
  | {
      readonly type: 'schema';
      readonly name: string;
      readonly description?: string;
      readonly schema: JsonObject;
      readonly strict?: boolean;
    };

/** How much the model shall think. Formats say it in words, in tokens or not at all; an encoder translates what it can't take. */
export interface Reasoning {
  readonly mode?: 'enabled' | 'disabled' | 'adaptive';
  /** OpenAI's scale: `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`. */
  readonly effort?: string;
  /** The effort is the whole answer's, and nothing was said on whether to think (Anthropic's `output_config.effort` alone). */
  readonly effortOnly?: boolean;
  /** Tokens; -1 = as the model sees fit. */
  readonly budget?: number;
  /** Whether the client wants to see the thoughts. */
  readonly include?: boolean;
  /** `auto`, `concise`, `detailed`. */
  readonly summary?: string;
}

/** Numbers that steer the choice of tokens. */
export interface Sampling {
  readonly maxTokens?: number;
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly frequencyPenalty?: number;
  readonly presencePenalty?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  /** Answers wanted; formats but OpenAI's chat and Gemini's have one. */
  readonly choices?: number;
  /** Log-probabilities of the answer's tokens, with this many alternatives each. */
  readonly logprobs?: number;
}

/** One request for an answer. */
export interface Conversation {
  model: string;
  stream: boolean;
  /** In order, system and developer messages where the client put them. */
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  readonly toolChoice?: ToolChoice;
  /** False: at most one tool call an answer. */
  readonly parallelToolCalls?: boolean;
  /** The client knows one call an answer, without an id (OpenAI's legacy `functions`), and is answered so. */
  readonly legacyFunctions?: boolean;
  readonly output?: OutputFormat;
  /** OpenAI's `low`, `medium`, `high`. */
  readonly verbosity?: string;
  readonly reasoning?: Reasoning;
  readonly sampling: Sampling;
  /** What the answer may consist of: `text`, `audio`, `image`. Absent: text. */
  readonly modalities?: readonly string[];
  readonly serviceTier?: string;
  /** A stable name of the end user. */
  readonly user?: string;
  readonly metadata?: { readonly [name: string]: string };
  /** Whether the answer may be asked for later (OpenAI). It is the gateway that keeps it, so that no provider need be able to. */
  readonly store?: boolean;
  /** Key under which like prompts are cached (OpenAI). */
  readonly cacheKey?: string;
  readonly extra?: Extra;
}
