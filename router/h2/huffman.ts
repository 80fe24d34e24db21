/**
 * Reads the Huffman code that HTTP/2 writes header strings in. Pure.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7541#section-5.2
 *
 * @module
 */

/**
 * Bits of each octet's code (RFC 7541, appendix B). The codes themselves
 * follow: octets of equal length have consecutive ones, in their order, and
 * longer codes stand behind shorter ones.
 */
// deno-fmt-ignore
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/** The end of a string, which is never written: all ones. */
const END_BITS = 30;
/** Octets that end a string are filled up with its first bits, seven at most. */
const MAX_PADDING = 7;

/**
 * Two entries for each inner node of the tree, for a bit of 0 and of 1: the
 * next node, or −1 less the octet, or 0 for what is no code.
 */
const TREE: readonly number[] = buildTree();

function buildTree(): number[] {
  const tree = [0, 0];
  const octets = LENGTHS.map((bits, octet) => ({ bits, octet }))
    .sort((a, b) => a.bits - b.bits || a.octet - b.octet);
  let code = 0;
  let length = 0;
  for (const { bits, octet } of octets) {
    code *= 2 ** (bits - length);
    length = bits;
    let node = 0;
    for (let bit = bits - 1; bit > 0; bit--) {
      const entry = node + Math.floor(code / 2 ** bit) % 2;
      if (tree[entry] === 0) {
        tree[entry] = tree.length;
        tree.push(0, 0);
      }
      node = tree[entry]!;
    }
    tree[node + code % 2] = -1 - octet;
    code++;
  }
  return tree;
}

/**
 * Reads the string in `bytes[start, end)`, an octet a character.
 *
 * @returns Undefined where that is no such code, or not ended as it must be.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readHuffman } from "./huffman.ts";
 *
 * const bytes = new Uint8Array([0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf]);
 * assertEquals(readHuffman(bytes, 0, 6), "no-cache");
 * ```
 */
export function readHuffman(
  bytes: Uint8Array,
  start: number,
  end: number,
): string | undefined {
  let text = "";
  let node = 0;
  /** Bits since the last octet, and whether all were ones. */
  let pending = 0;
  let ones = true;
  for (let at = start; at < end; at++) {
    for (let bit = 7; bit >= 0; bit--) {
      const value = bytes[at]! >> bit & 1;
      const next = TREE[node + value]!;
      pending++;
      ones &&= value === 1;
      if (next < 0) {
        text += String.fromCharCode(-1 - next);
        node = 0;
        pending = 0;
        ones = true;
      } else if (next === 0 || pending === END_BITS) return undefined;
      else node = next;
    }
  }
  return pending <= MAX_PADDING && ones ? text : undefined;
}
