/**
 * Tells a member's name from its variants: some JSON libraries (Go's
 * encoding/json is the common one) match member names by Unicode simple case
 * folding, so `Name` would be read as `name` by a server but not by us.
 *
 * @module
 */

/** The letters that fold to ASCII ones: U+017F to s, U+212A to k, in UTF-8. */
const LONG_S = [0xc5, 0xbf] as const;
const KELVIN = [0xe2, 0x84, 0xaa] as const;

/** How a key relates to a name. */
export type Match = "exact" | "variant" | "other";

/**
 * Compares a key, `bytes[start, end)` in valid UTF-8 without quotes or
 * escapes, with a name.
 *
 * @param name The name's ASCII bytes.
 */
export function matchName(
  bytes: Uint8Array,
  start: number,
  end: number,
  name: Uint8Array,
): Match {
  let match: Match = "exact";
  let p = start;
  for (let i = 0; i < name.length; i++) {
    if (p >= end) return "other";
    const want = name[i]!;
    const byte = bytes[p]!;
    if (byte === want) {
      p++;
      continue;
    }
    const letter = want | 0x20;
    if (letter < 0x61 || letter > 0x7a) return "other";
    if ((byte | 0x20) === letter) p++;
    else if (letter === 0x73 && startsWith(bytes, p, LONG_S)) p += 2;
    else if (letter === 0x6b && startsWith(bytes, p, KELVIN)) p += 3;
    else return "other";
    match = "variant";
  }
  return p === end ? match : "other";
}

function startsWith(
  bytes: Uint8Array,
  p: number,
  sequence: readonly number[],
): boolean {
  return sequence.every((byte, i) => bytes[p + i] === byte);
}
