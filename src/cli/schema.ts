import { buildCatalogue } from '../catalogue.ts';
import { jsonSchema } from '../resources/schema/json-schema.ts';

/** `sluice schema`: prints the JSON Schema of the configuration file. @returns the exit code */
export function schema(): number {
  process.stdout.write(`${JSON.stringify(jsonSchema(buildCatalogue()), null, 2)}\n`);
  return 0;
}
