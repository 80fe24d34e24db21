/**
 * Lets only so many do a thing at once, each thing by itself; the others wait
 * for their turn.
 *
 * @module
 */

/** One who waits: called with a turn. */
type Waiting = () => void;

/** Turns, by what is done. */
export class Turns {
  readonly #atOnce: number;
  /** How many have a turn; none where nobody has. */
  readonly #taken = new Map<string, number>();
  /** In the order in which they came. */
  readonly #waiting = new Map<string, Set<Waiting>>();

  /** Lets so many at once do each thing. */
  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /**
   * Does something when it is its turn.
   *
   * @param signal Ends the wait.
   * @throws The signal's reason, where it ended the wait.
   */
  async take<T>(
    what: string,
    signal: AbortSignal,
    run: () => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    if (!this.#begin(what)) await this.#wait(what, signal);
    try {
      return await run();
    } finally {
      this.#end(what);
    }
  }

  #begin(what: string): boolean {
    const taken = this.#taken.get(what) ?? 0;
    if (taken >= this.#atOnce) return false;
    this.#taken.set(what, taken + 1);
    return true;
  }

  /** Hands the turn over to whoever has waited longest. */
  #end(what: string): void {
    const waiting = this.#waiting.get(what);
    for (const next of waiting ?? []) {
      waiting!.delete(next);
      if (waiting!.size === 0) this.#waiting.delete(what);
      next();
      return;
    }
    const taken = this.#taken.get(what)! - 1;
    if (taken === 0) this.#taken.delete(what);
    else this.#taken.set(what, taken);
  }

  #wait(what: string, signal: AbortSignal): Promise<void> {
    const waiting = this.#waiting.get(what) ?? new Set<Waiting>();
    this.#waiting.set(what, waiting);
    return new Promise((resolve, reject) => {
      const next = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        waiting.delete(next);
        if (waiting.size === 0) this.#waiting.delete(what);
        reject(signal.reason);
      };
      waiting.add(next);
      signal.addEventListener("abort", leave, { once: true });
    });
  }
}
