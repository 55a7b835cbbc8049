/** What an expression reads of its environment. */
export class References {
  /** Names of the variables. */
  readonly variables: ReadonlySet<string>;
  /** Each variable or field read, as far as it is named: `request.headers.x-id`, `jwt.sub`, or `jwt` where it is read whole. */
  readonly paths: ReadonlySet<string>;
  /** It reads every variable: `variables()`. */
  readonly everything: boolean;

  constructor(paths: readonly { readonly variable: string; readonly path: string }[], everything: boolean) {
    this.variables = new Set(paths.map(({ variable }) => variable));
    this.paths = new Set(paths.map(({ path }) => path));
    this.everything = everything;
  }

  /** Whether it may read `path` (`request.body`): itself, a part of it, or what it is part of as a whole. */
  reads(path: string): boolean {
    if (this.everything) return true;
    for (const read of this.paths)
      if (read === path || read.startsWith(`${path}.`) || path.startsWith(`${read}.`)) return true;
    return false;
  }
}

/** Collects references while an expression is compiled. */
export class ReferenceCollector {
  readonly #paths: { variable: string; path: string }[] = [];
  #everything = false;

  add(variable: string, path: string): void {
    this.#paths.push({ variable, path });
  }

  addAll(): void {
    this.#everything = true;
  }

  merge(other: References): void {
    for (const path of other.paths) {
      const variable = [...other.variables].find((name) => path === name || path.startsWith(`${name}.`)) ?? path;
      this.add(variable, path);
    }
    if (other.everything) this.addAll();
  }

  finish(): References {
    return new References(this.#paths, this.#everything);
  }
}
