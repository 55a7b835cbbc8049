/**
 * OpenAI's voices, and one of Gemini's that comes near (https://ai.google.dev/gemini-api/docs/speech-generation#voices): who asks for
 * two voices by OpenAI's names hears two.
 */
const VOICES: ReadonlyMap<string, string> = new Map([
  ['alloy', 'Kore'],
  ['ash', 'Orus'],
  ['ballad', 'Algieba'],
  ['cedar', 'Iapetus'],
  ['coral', 'Aoede'],
  ['echo', 'Charon'],
  ['fable', 'Puck'],
  ['marin', 'Leda'],
  ['nova', 'Zephyr'],
  ['onyx', 'Algenib'],
  ['sage', 'Sulafat'],
  ['shimmer', 'Achernar'],
  ['verse', 'Fenrir'],
]);

/** Gemini's name of a voice; a name that isn't OpenAI's is taken for Gemini's own. */
export function geminiVoice(voice: string): string {
  return VOICES.get(voice) ?? voice;
}
