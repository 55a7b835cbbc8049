import { z } from 'zod';
import type { SchemaMarks } from './common.ts';
import { optionsOf, type Path } from './walk.ts';

/** An expression of a configuration, and where it stands. */
export interface ExpressionText {
  readonly path: Path;
  readonly text: string;
}

/** What is known of the values at one place: whether they are expressions, and where there are expressions below them. */
interface Place {
  /** A text here is an expression, unless it is one of `plain`. */
  expression: boolean;
  /** Other texts that may stand here. */
  plain: z.ZodType[];
  readonly fields: Map<string, Place[]>;
  /** Entries of a map, or fields without a name of their own. */
  rest: Place[];
  items: Place[];
}

/**
 * Finds the CEL expressions of a configuration by the marks of its schema (`SchemaMarks.cel`), whether what they belong to is executed
 * or not. The schema is looked through once; a value then costs what of it can hold expressions.
 */
export class ExpressionFinder {
  readonly #places = new Map<z.ZodType, Place>();
  readonly #root: Place[];

  constructor(schema: z.ZodType) {
    this.#root = this.#placesOf(schema);
  }

  /** Expressions in a value as it is written; what doesn't fit the schema is passed over. */
  find(value: unknown): ExpressionText[] {
    const found: ExpressionText[] = [];
    visit(this.#root, value, [], found);
    return found;
  }

  /** The places that `schema` comes down to and that have to do with expressions. */
  #placesOf(schema: unknown): Place[] {
    const options = optionsOf(schema);
    const places = options.flatMap((option) => this.#placeOf(option) ?? []);
    if (places.some(({ expression }) => expression))
      places[0]?.plain.push(...options.filter((option) => isText(option) && !isExpression(option)));
    return places;
  }

  #placeOf(schema: z.ZodType): Place | undefined {
    const known = this.#places.get(schema);
    if (known !== undefined) return hasExpressions(known) ? known : undefined;
    const place: Place = { expression: isExpression(schema), plain: [], fields: new Map(), rest: [], items: [] };
    // Known before it is looked into: schemas refer to themselves.
    this.#places.set(schema, place);
    if (schema instanceof z.ZodObject) {
      for (const [name, field] of Object.entries(schema.shape)) {
        const below = this.#placesOf(field);
        if (below.length > 0) place.fields.set(name, below);
      }
      place.rest = this.#placesOf(schema.def.catchall);
    } else if (schema instanceof z.ZodRecord) place.rest = this.#placesOf(schema.def.valueType);
    else if (schema instanceof z.ZodArray) place.items = this.#placesOf(schema.def.element);
    return hasExpressions(place) ? place : undefined;
  }
}

function hasExpressions({ expression, fields, rest, items }: Place): boolean {
  return expression || fields.size > 0 || rest.length > 0 || items.length > 0;
}

function isExpression(schema: z.ZodType): boolean {
  return (schema.meta() as SchemaMarks | undefined)?.cel === true;
}

function isText(schema: z.ZodType): boolean {
  return schema instanceof z.ZodString || schema instanceof z.ZodEnum || schema instanceof z.ZodLiteral;
}

function visit(places: readonly Place[], value: unknown, path: (string | number)[], found: ExpressionText[]): void {
  if (typeof value === 'string') {
    if (!places.some(({ expression }) => expression)) return;
    if (places.some(({ plain }) => plain.some((schema) => schema.safeParse(value).success))) return;
    found.push({ path: [...path], text: value });
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const isList = Array.isArray(value);
  for (const [key, inner] of isList ? value.entries() : Object.entries(value)) {
    const below = places.flatMap(({ fields, rest, items }) =>
      typeof key === 'number' ? items : (fields.get(key) ?? rest),
    );
    if (below.length === 0) continue;
    path.push(key);
    visit(below, inner, path, found);
    path.pop();
  }
}
