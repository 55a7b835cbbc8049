import { z } from 'zod';

const check = (what: string) =>
  z
    .strictObject({ mode: z.enum(['score', 'block']).describe('Only report scores, or block what is flagged.') })
    .nullish()
    .describe(`Moderation of ${what}.`);

/** OpenAI's moderation beside its own models. */
export const openAIModerationSchema = z.strictObject({
  model: z.string().default('omni-moderation-latest').describe('Moderation model.'),
  policy: z
    .strictObject({ input: check('prompts'), output: check('answers') })
    .nullish()
    .describe('What is moderated, and how.'),
});
