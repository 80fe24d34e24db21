/**
 * Decodes pieces of a body whose bytes a {@linkcode Reader} has already found
 * valid: raw text, and strings with their escapes resolved. Checks nothing;
 * what a lenient reader let pass as UTF-8 becomes some other characters.
 *
 * @module
 */

/** A string that begins with U+FEFF keeps it: `ignoreBOM` means just that. */
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Up to this many bytes a loop is faster than calling the decoder. */
const SHORT = 24;

/** Code units made into a string at a time. */
const CHUNK = 4096;

const BACKSLASH = 0x5c;
const LETTER_U = 0x75;

/** Decodes `bytes[start, end)` as UTF-8, as they stand. */
export function decodeText(
  bytes: Uint8Array,
  start: number,
  end: number,
): string {
  if (end - start > SHORT) return UTF8.decode(bytes.subarray(start, end));
  let text = "";
  for (let p = start; p < end; p++) {
    const byte = bytes[p]!;
    if (byte > 0x7f) return UTF8.decode(bytes.subarray(start, end));
    text += String.fromCharCode(byte);
  }
  return text;
}

/**
 * Decodes the inside of a JSON string, `bytes[start, end)` without its
 * quotes. A lone surrogate that was written as an escape stays one, which no
 * `TextDecoder` would do.
 *
 * @param escaped Whether it contains escapes.
 */
export function decodeString(
  bytes: Uint8Array,
  start: number,
  end: number,
  escaped: boolean,
): string {
  if (!escaped) return decodeText(bytes, start, end);
  let units: number[] = [];
  let text = "";
  let p = start;
  while (p < end) {
    const byte = bytes[p]!;
    let code = byte;
    if (byte === BACKSLASH) {
      const letter = bytes[p + 1]!;
      code = letter === LETTER_U ? hex4(bytes, p + 2) : shortEscape(letter);
      p += letter === LETTER_U ? 6 : 2;
    } else if (byte < 0x80) p++;
    else if (byte < 0xe0) {
      code = (byte & 0x1f) << 6 | low6(bytes, p + 1);
      p += 2;
    } else if (byte < 0xf0) {
      code = (byte & 0x0f) << 12 | low6(bytes, p + 1) << 6 |
        low6(bytes, p + 2);
      p += 3;
    } else {
      const point = (byte & 0x07) << 18 | low6(bytes, p + 1) << 12 |
        low6(bytes, p + 2) << 6 | low6(bytes, p + 3);
      units.push(0xd7c0 + (point >> 10));
      code = 0xdc00 | point & 0x3ff;
      p += 4;
    }
    units.push(code);
    if (units.length >= CHUNK) {
      text += String.fromCharCode(...units);
      units = [];
    }
  }
  return text + String.fromCharCode(...units);
}

/** What a continuation byte contributes. */
function low6(bytes: Uint8Array, p: number): number {
  return bytes[p]! & 0x3f;
}

/** The code unit that `\` and this letter stand for. */
function shortEscape(letter: number): number {
  switch (letter) {
    case 0x62:
      return 0x08;
    case 0x66:
      return 0x0c;
    case 0x6e:
      return 0x0a;
    case 0x72:
      return 0x0d;
    case 0x74:
      return 0x09;
    default: // a quote, a slash, a backslash
      return letter;
  }
}

/**
 * Reads four hexadecimal digits at `p`; −1 where they are not four.
 * The only reader of `\u` escapes: the grammar and the decoder share it.
 */
export function hex4(bytes: Uint8Array, p: number): number {
  if (p + 4 > bytes.length) return -1;
  let code = 0;
  for (let i = p; i < p + 4; i++) {
    const byte = bytes[i]!;
    const letter = byte | 0x20;
    let digit: number;
    if (byte >= 0x30 && byte <= 0x39) digit = byte - 0x30;
    else if (letter >= 0x61 && letter <= 0x66) digit = letter - 0x57;
    else return -1;
    code = code << 4 | digit;
  }
  return code;
}
