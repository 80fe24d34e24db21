/**
 * Puts pieces of bytes together. Pure.
 *
 * @module
 */

const OPEN_ARRAY = Uint8Array.of(0x5b);
const COMMA = Uint8Array.of(0x2c);
const CLOSE_ARRAY = Uint8Array.of(0x5d);

/** Makes one piece of many. */
export function joinBytes(
  parts: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/**
 * Puts pieces together in memory that is used again, for whoever copies the
 * whole at once: new memory for a list of hundreds of kilobytes costs more than
 * all else that it takes to answer with one.
 */
export class ScratchMemory {
  readonly #keptBytes: number;
  #memory = new Uint8Array();

  /**
   * Begins with no memory.
   *
   * @param keptBytes Memory that is kept at most; for more, new one is taken.
   */
  constructor(keptBytes: number) {
    this.#keptBytes = keptBytes;
  }

  /** Makes one piece of many, which is good until the next call. */
  join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
    const size = parts.reduce((sum, part) => sum + part.byteLength, 0);
    if (size > this.#keptBytes) return joinBytes(parts);
    if (size > this.#memory.byteLength) {
      // Twice as much at least, so that it does not grow with each call.
      const grown = Math.max(size, 2 * this.#memory.byteLength);
      this.#memory = new Uint8Array(Math.min(grown, this.#keptBytes));
    }
    let at = 0;
    for (const part of parts) {
      this.#memory.set(part, at);
      at += part.byteLength;
    }
    return this.#memory.subarray(0, size);
  }
}

/**
 * The pieces of a JSON array whose elements are JSON texts: for
 * {@linkcode joinBytes}, so that each element is copied only once.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { arrayParts, joinBytes } from "./bytes.ts";
 *
 * const items = ["1e400", "{}"].map((json) => new TextEncoder().encode(json));
 * const array = joinBytes(arrayParts(items));
 * assertEquals(new TextDecoder().decode(array), "[1e400,{}]");
 * ```
 */
export function arrayParts(
  elements: readonly Uint8Array[],
): readonly Uint8Array[] {
  const separated = elements.flatMap((one, index) =>
    index === 0 ? [one] : [COMMA, one]
  );
  return [OPEN_ARRAY, ...separated, CLOSE_ARRAY];
}
