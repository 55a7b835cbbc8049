import { buildCatalogue } from '../catalogue.ts';
import { jsonSchema } from '../resources/schema/json-schema.ts';

/** `sluice schema`: prints the JSON Schema of the configuration file. @returns the exit code */
export function schema(): number {
  // A reader such as `head` may have seen enough before the end.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  process.stdout.write(`${JSON.stringify(jsonSchema(buildCatalogue()), null, 2)}\n`);
  return 0;
}
