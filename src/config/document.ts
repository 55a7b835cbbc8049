import { parseFast } from './fast-yaml.ts';
import type { Path } from './fault.ts';
import type { Lines } from './lines.ts';
import { type ParsedYaml, parseYaml, type YamlFault } from './parse-yaml.ts';
import { type Position, Positions } from './positions.ts';
import type { Substituted } from './substitute.ts';

/**
 * The text of a configuration as YAML: its value, and where each part of it stands. What the fast reader can read is read
 * without positions; the full parser comes in where it can't, or when somebody asks for a position.
 */
export class ConfigDocument {
  readonly value: Record<string, unknown>;
  /** What is wrong with the text as YAML; where there is anything, `value` is empty. */
  readonly faults: readonly (Omit<YamlFault, 'offset'> & Position)[];
  readonly #expanded: Substituted;
  readonly #lines: Lines;
  #positions: Positions | null = null;

  /** `lines` are those of the original text, before substitution. */
  constructor(expanded: Substituted, lines: Lines) {
    this.#expanded = expanded;
    this.#lines = lines;
    const fast = parseFast(expanded.text);
    if (fast !== null) {
      this.value = fast;
      this.faults = [];
      return;
    }
    const parsed = parseYaml(expanded.text);
    const positions = this.#positionsIn(parsed);
    this.value = parsed.value;
    this.faults = parsed.faults.map(({ offset, ...fault }) => ({ ...fault, ...positions.atOffset(offset) }));
  }

  /** Position of `path` in the file as the operator wrote it. */
  at(path: Path): Position {
    return this.#known().at(path);
  }

  /** Position of a character of the text at `path`; see Positions.inText. */
  inText(path: Path, offset: number): Position | null {
    return this.#known().inText(path, offset);
  }

  #known(): Positions {
    return this.#positions ?? this.#positionsIn(parseYaml(this.#expanded.text));
  }

  #positionsIn({ document }: ParsedYaml): Positions {
    this.#positions = new Positions(document, this.#expanded, this.#lines);
    return this.#positions;
  }
}
