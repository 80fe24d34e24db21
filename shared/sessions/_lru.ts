/**
 * A map that keeps the entries used last and drops the others.
 *
 * @module
 */

/** Holds up to a fixed number of entries, or so much of what they weigh. */
export class Lru<K, V> {
  readonly #limit: number;
  readonly #weigh: (key: K, value: V) => number;
  readonly #entries = new Map<K, V>();
  #weight = 0;

  /**
   * Makes an empty one.
   *
   * @param limit Most that is kept.
   * @param weigh How much of that an entry takes; 1 unless given.
   */
  constructor(
    limit: number,
    weigh: (key: K, value: V) => number = () => 1,
  ) {
    this.#limit = limit;
    this.#weigh = weigh;
  }

  /** Number of entries. */
  get size(): number {
    return this.#entries.size;
  }

  /** Finds an entry; it now counts as used last. */
  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    // A Map keeps the order of insertion: the first entry is the oldest.
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** Adds or replaces an entry and drops the oldest ones over the limit. */
  set(key: K, value: V): void {
    this.delete(key);
    this.#entries.set(key, value);
    this.#weight += this.#weigh(key, value);
    for (const oldest of this.#entries.keys()) {
      if (this.#weight <= this.#limit) return;
      this.delete(oldest);
    }
  }

  /** Removes an entry. */
  delete(key: K): void {
    const value = this.#entries.get(key);
    if (value === undefined) return;
    this.#entries.delete(key);
    this.#weight -= this.#weigh(key, value);
  }
}
