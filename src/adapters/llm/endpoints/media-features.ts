import { type FormatColumn, Losses } from '../formats/features.ts';

/**
 * What OpenAI's requests for media can say and not every model of Google's: the rows of their conversion tables, in their order. The names
 * clients know it by are OpenAI's.
 */
export const IMAGE_FEATURES = {
  size: 'Size',
  several: 'Several images at once',
  encoding: 'Encoding: png or jpeg',
  compression: 'Compression',
  transparent: 'A transparent background',
  urls: 'Images as URLs',
  stream: 'Streams',
  drafts: 'Drafts in streams',
  inputs: 'Images to edit',
  mask: 'A mask of what to edit',
  inputFidelity: 'How close to keep to the images',
  quality: 'Quality',
  style: 'Style',
  moderation: 'Strictness of filters',
  user: 'End user',
} as const;

export const SPEECH_FEATURES = {
  voice: "Voices: OpenAI's names, or the model's own",
  customVoice: 'Voices made by the client',
  instructions: 'How to speak',
  speed: 'Speed',
  encoding: 'Encoding: wav or pcm',
  unnamedEncoding: 'Encoding: none named, which is mp3',
  compressed: 'Encoding: mp3, opus, aac or flac',
  events: 'Audio in events',
} as const;

export const TRANSCRIPT_FEATURES = {
  language: 'Language of the audio',
  prompt: 'Words to go by',
  temperature: 'temperature',
  text: 'Answers as JSON or text',
  verbose: 'Duration, language and segments',
  subtitles: 'Subtitles: srt or vtt',
  timestamps: 'Times of words or segments',
  speakers: 'Speakers told apart',
  logprobs: 'Log-probabilities',
  chunking: 'How audio is cut into pieces',
  stream: 'Streams',
} as const;

export type ImageFeature = keyof typeof IMAGE_FEATURES;
export type SpeechFeature = keyof typeof SPEECH_FEATURES;
export type TranscriptFeature = keyof typeof TRANSCRIPT_FEATURES;

const IMAGE_FIELDS: Readonly<Record<ImageFeature, string>> = {
  size: 'size',
  several: 'n',
  encoding: 'output_format',
  compression: 'output_compression',
  transparent: 'background',
  urls: 'response_format',
  stream: 'stream',
  drafts: 'partial_images',
  inputs: 'image',
  mask: 'mask',
  inputFidelity: 'input_fidelity',
  quality: 'quality',
  style: 'style',
  moderation: 'moderation',
  user: 'user',
};

const SPEECH_FIELDS: Readonly<Record<SpeechFeature, string>> = {
  voice: 'voice',
  customVoice: 'voice.id',
  instructions: 'instructions',
  speed: 'speed',
  encoding: 'response_format',
  unnamedEncoding: 'response_format',
  compressed: 'response_format',
  events: 'stream_format',
};

const TRANSCRIPT_FIELDS: Readonly<Record<TranscriptFeature, string>> = {
  language: 'language',
  prompt: 'prompt',
  temperature: 'temperature',
  text: 'response_format',
  verbose: 'response_format',
  subtitles: 'response_format',
  timestamps: 'timestamp_granularities',
  speakers: 'response_format',
  logprobs: 'include',
  chunking: 'chunking_strategy',
  stream: 'stream',
};

export type GoogleImageApi = 'geminiImage' | 'vertexGeminiImage' | 'imagen';

const GEMINI_IMAGE: FormatColumn<ImageFeature>['fidelity'] = {
  size: 'approximated',
  several: 'refused',
  encoding: 'dropped',
  compression: 'dropped',
  transparent: 'refused',
  urls: 'refused',
  // The whole image in one event.
  stream: 'approximated',
  drafts: 'dropped',
  inputs: 'exact',
  mask: 'dropped',
  inputFidelity: 'dropped',
  quality: 'dropped',
  style: 'dropped',
  moderation: 'dropped',
  user: 'dropped',
};

export const IMAGE_COLUMNS: Readonly<Record<GoogleImageApi, FormatColumn<ImageFeature>>> = {
  geminiImage: { fidelity: GEMINI_IMAGE, fields: {} },
  // The Gemini API can't be told the encoding.
  vertexGeminiImage: { fidelity: { ...GEMINI_IMAGE, encoding: 'exact', compression: 'exact' }, fields: {} },
  // Its editing goes by masks of black and white, which OpenAI's transparent ones would have to be painted as.
  imagen: {
    fidelity: {
      ...GEMINI_IMAGE,
      several: 'exact',
      encoding: 'exact',
      compression: 'exact',
      inputs: 'refused',
      mask: 'refused',
    },
    fields: {},
  },
};

export const SPEECH_COLUMN: FormatColumn<SpeechFeature> = {
  fidelity: {
    voice: 'approximated',
    customVoice: 'refused',
    instructions: 'approximated',
    speed: 'dropped',
    encoding: 'exact',
    // WAV is sent, which says itself that it is.
    unnamedEncoding: 'dropped',
    compressed: 'refused',
    events: 'approximated',
  },
  fields: {},
};

export const TRANSCRIPT_COLUMN: FormatColumn<TranscriptFeature> = {
  fidelity: {
    language: 'approximated',
    prompt: 'approximated',
    temperature: 'exact',
    text: 'exact',
    // The members that a model can't know for sure are left out.
    verbose: 'dropped',
    subtitles: 'refused',
    timestamps: 'refused',
    speakers: 'refused',
    logprobs: 'refused',
    chunking: 'dropped',
    stream: 'exact',
  },
  fields: {},
};

export function imageLosses(api: GoogleImageApi, strict: boolean): Losses<ImageFeature> {
  const name = api === 'imagen' ? 'Imagen' : 'Gemini';
  return new Losses({ fields: IMAGE_FIELDS }, IMAGE_COLUMNS[api], name, strict);
}

export function speechLosses(strict: boolean): Losses<SpeechFeature> {
  return new Losses({ fields: SPEECH_FIELDS }, SPEECH_COLUMN, 'Gemini', strict);
}

export function transcriptLosses(strict: boolean): Losses<TranscriptFeature> {
  return new Losses({ fields: TRANSCRIPT_FIELDS }, TRANSCRIPT_COLUMN, 'Gemini', strict);
}

/** The feature that a member of a request asks for by being there, where it is one of `names`. */
export function imageFeatureOf(member: string): ImageFeature | undefined {
  return DROPPED_IMAGE_FEATURES.find((feature) => IMAGE_FIELDS[feature] === member);
}

const DROPPED_IMAGE_FEATURES: readonly ImageFeature[] = [
  'drafts',
  'inputFidelity',
  'quality',
  'style',
  'moderation',
  'user',
];

/** The tables of the published matrix: their features, what becomes of them by the model, and OpenAI's names of them. */
export const MEDIA_TABLES = {
  images: { features: IMAGE_FEATURES, columns: IMAGE_COLUMNS, fields: IMAGE_FIELDS },
  speech: { features: SPEECH_FEATURES, columns: { gemini: SPEECH_COLUMN }, fields: SPEECH_FIELDS },
  transcripts: { features: TRANSCRIPT_FEATURES, columns: { gemini: TRANSCRIPT_COLUMN }, fields: TRANSCRIPT_FIELDS },
};
