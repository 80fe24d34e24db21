/**
 * How much is held of what servers have begun to say and not ended: one server
 * may not fill the memory, on however many streams it says things. Pure.
 *
 * @module
 */

/** Characters of one stream that cost nothing much. */
const SMALL = 16 * 1024;

/** What is held, by server. */
export class Unfinished {
  readonly #perServer: number;
  readonly #held = new Map<string, number>();

  /**
   * Begins with nothing.
   *
   * @param perServer Characters of one server, on all its streams.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Unfinished } from "./unfinished.ts";
   *
   * const unfinished = new Unfinished(50_000);
   * const [one, other] = [unfinished.share("s"), unfinished.share("s")];
   * assertEquals(one(40_000), true);
   * assertEquals(other(20_000), false);
   * assertEquals(other(1_000), true);
   * assertEquals(one(0), true);
   * assertEquals(other(20_000), true);
   * ```
   */
  constructor(perServer: number) {
    this.#perServer = perServer;
  }

  /**
   * Gives a share to one stream, which tells how much it holds, 0 at its end,
   * and hears whether it may.
   */
  share(server: string): (characters: number) => boolean {
    let own = 0;
    return (characters) => {
      const others = (this.#held.get(server) ?? 0) - own;
      own = characters;
      this.#held.set(server, others + own);
      return own <= SMALL || others + own <= this.#perServer;
    };
  }
}
