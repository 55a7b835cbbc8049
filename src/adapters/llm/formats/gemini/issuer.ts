/** Whose signatures and files clients of this format bring. */
export const GEMINI_ISSUER = 'google';
