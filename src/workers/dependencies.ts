/** Something compiled from resources: it is told when one of them changes. */
export interface Dependent {
  /** Keys it was compiled from. */
  readonly dependencies: Set<string>;
  invalidate(): void;
}

/** Who was compiled from what, so that a change costs what depends on it and no more. */
export class Dependencies {
  readonly #dependents = new Map<string, Set<Dependent>>();

  /** `dependent` was compiled from what is (or isn't) under `key`. */
  add(dependent: Dependent, key: string): void {
    dependent.dependencies.add(key);
    const set = this.#dependents.get(key);
    if (set === undefined) this.#dependents.set(key, new Set([dependent]));
    else set.add(dependent);
  }

  /** What is under `key` has changed. */
  changed(key: string): void {
    const dependents = this.#dependents.get(key);
    if (dependents === undefined) return;
    this.#dependents.delete(key);
    for (const dependent of dependents) {
      dependent.dependencies.delete(key);
      dependent.invalidate();
    }
  }

  /** Lets go of a dependent that is no longer in use. */
  forget(dependent: Dependent): void {
    for (const key of dependent.dependencies) {
      const set = this.#dependents.get(key);
      set?.delete(dependent);
      if (set?.size === 0) this.#dependents.delete(key);
    }
    dependent.dependencies.clear();
  }
}
