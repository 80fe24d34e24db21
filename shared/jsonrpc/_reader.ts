/**
 * The one implementation of the JSON grammar (RFC 8259): walks raw bytes,
 * checks them, and says where things stand. Strict unless told otherwise.
 * Decodes only keys that it has to compare, and never recurses.
 *
 * @module
 */

import { decodeString, hex4 } from "./_decode.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** 1 for the bytes that stand for themselves in a string. */
const PLAIN = new Uint8Array(256);
PLAIN.fill(1, 0x20, 0x80);
PLAIN[QUOTE] = 0;
PLAIN[BACKSLASH] = 0;

/** 1 for the letters that may follow a backslash, `u` aside. */
const SHORT_ESCAPE = new Uint8Array(256);
for (const letter of '"\\/bfnrt') SHORT_ESCAPE[letter.charCodeAt(0)] = 1;

const TRUE = [0x74, 0x72, 0x75, 0x65] as const;
const FALSE = [0x66, 0x61, 0x6c, 0x73, 0x65] as const;
const NULL = [0x6e, 0x75, 0x6c, 0x6c] as const;

/** The reason given for a key that stands in its object twice. */
export const DUPLICATE_KEY = "duplicate key";

/** Strings that go on behind this many plain bytes are read by words. */
const RUN = 16;

/** Bodies shorter than this are not worth a view of words. */
const WORTH_WORDS = 256;

const NO_WORDS = new Int32Array(0);

/** From this many keys on an object's keys are kept in a set. */
const FEW_KEYS = 16;

/**
 * Walks a body. Methods return false at the end of what they walk and on a
 * problem; `reason` tells the two apart. After a problem the reader is of no
 * further use.
 */
export class Reader {
  /** The body. */
  readonly bytes: Uint8Array;
  /** Offset of the next byte to read. */
  position: number;
  /** What is wrong, or "" while nothing is. */
  reason = "";
  /** Byte offset of the problem, once there is one. */
  offset = 0;
  /** Offset of the current member's key, at its opening quote. */
  keyStart = 0;
  /** Offset behind the closing quote of the current member's key. */
  keyEnd = 0;
  /** Whether the current member's key contains escapes. */
  keyEscaped = false;
  /** Whether the last string read contains escapes. */
  escaped = false;
  /** Whether the last string read has an unpaired surrogate, as an escape. */
  loneSurrogate = false;
  /** Whether the last number read has neither fraction nor exponent. */
  integer = false;

  readonly #end: number;
  readonly #maxDepth: number;
  readonly #lenient: boolean;
  /** The body by words of four bytes, and the offset of the first word. */
  #words: Int32Array = NO_WORDS;
  #wordsFrom = 0;
  /** One entry per open container. */
  #depth = 0;
  /** Set until the container's first member or element is asked for. */
  #fresh = false;
  /** Where the container's keys begin in #keys; −1 for an array. */
  readonly #bases: number[] = [];
  /** The container's keys, decoded, once they are many or have escapes. */
  readonly #sets: (Set<string> | undefined)[] = [];
  /** Of each key: a digest, its start, its end, quotes excluded. */
  readonly #keys: number[] = [];
  #keyCount = 0;

  /**
   * Reads `bytes[start, end)`, at most `maxDepth` containers deep.
   *
   * @param lenient Whether repeated keys pass, and strings that are not UTF-8.
   */
  constructor(
    bytes: Uint8Array,
    start: number,
    end: number,
    maxDepth: number,
    lenient = false,
  ) {
    this.bytes = bytes;
    this.position = start;
    this.#end = end;
    this.#maxDepth = maxDepth;
    this.#lenient = lenient;
    if (end - start >= WORTH_WORDS) {
      this.#wordsFrom = -bytes.byteOffset & 3;
      this.#words = new Int32Array(
        bytes.buffer,
        bytes.byteOffset + this.#wordsFrom,
        (end - this.#wordsFrom) >> 2,
      );
    }
  }

  /** The next byte, or −1 at the end of the body. */
  peek(): number {
    return this.position < this.#end ? this.bytes[this.position]! : -1;
  }

  /** Moves to where the body's value begins. */
  begin(): boolean {
    const start = this.position;
    const { bytes } = this;
    if (
      start + 3 <= this.#end && bytes[start] === 0xef &&
      bytes[start + 1] === 0xbb && bytes[start + 2] === 0xbf
    ) return this.#fail(start, "a byte order mark");
    this.skipSpace();
    return this.position < this.#end || this.#fail(start, "nothing to read");
  }

  /** Moves on to the next byte that is not white space. */
  skipSpace(): void {
    const bytes = this.bytes;
    const end = this.#end;
    let p = this.position;
    while (p < end) {
      const byte = bytes[p]!;
      if (
        byte > 0x20 ||
        (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)
      ) break;
      p++;
    }
    this.position = p;
  }

  /** Checks that nothing but white space follows. */
  finish(): boolean {
    this.skipSpace();
    return this.position === this.#end ||
      this.#fail(this.position, "unexpected data behind the value");
  }

  /** Enters the object that begins at the next byte. */
  enterObject(): boolean {
    return this.#enter(this.#keyCount);
  }

  /** Enters the array that begins at the next byte. */
  enterArray(): boolean {
    return this.#enter(-1);
  }

  /**
   * Reads up to the value of the current object's next member, whose key is
   * then found in `keyStart`, `keyEnd` and `keyEscaped`; false, and out of
   * the object, where there is none.
   */
  nextMember(): boolean {
    if (!this.#separate(CLOSE_OBJECT)) return false;
    if (this.peek() !== QUOTE) {
      return this.#fail(this.position, "a member's key is missing");
    }
    const start = this.position;
    if (!this.#string()) return false;
    this.keyStart = start;
    this.keyEnd = this.position;
    this.keyEscaped = this.escaped;
    if (
      !this.#lenient &&
      !this.#addKey(start + 1, this.position - 1, this.escaped)
    ) return false;
    if (this.peek() !== COLON) {
      this.skipSpace();
      if (this.peek() !== COLON) {
        return this.#fail(this.position, "a colon is missing");
      }
    }
    this.position++;
    this.skipSpace();
    return true;
  }

  /**
   * Reads up to the current array's next element; false, and out of the
   * array, where there is none.
   */
  nextElement(): boolean {
    return this.#separate(CLOSE_ARRAY);
  }

  /** Reads the value that begins at the next byte, to its end. */
  value(): boolean {
    const floor = this.#depth;
    do {
      if (!this.#scalarOrEnter()) return false;
      while (this.#depth > floor && !this.#next()) {
        if (this.reason !== "") return false;
      }
    } while (this.#depth > floor);
    return true;
  }

  #next(): boolean {
    return this.#bases[this.#depth - 1]! < 0
      ? this.nextElement()
      : this.nextMember();
  }

  #scalarOrEnter(): boolean {
    const byte = this.peek();
    switch (byte) {
      case QUOTE:
        return this.#string();
      case OPEN_OBJECT:
        return this.enterObject();
      case OPEN_ARRAY:
        return this.enterArray();
      case 0x74:
        return this.#literal(TRUE);
      case 0x66:
        return this.#literal(FALSE);
      case 0x6e:
        return this.#literal(NULL);
    }
    if (byte === MINUS || isDigit(byte)) return this.#number();
    return this.#fail(
      this.position,
      byte < 0 ? "a value is missing at the end" : "a value is missing",
    );
  }

  #enter(base: number): boolean {
    if (this.#depth >= this.#maxDepth) {
      return this.#fail(this.position, "nested too deeply");
    }
    this.#bases[this.#depth] = base;
    this.#sets[this.#depth] = undefined;
    this.#depth++;
    this.#fresh = true;
    this.position++;
    return true;
  }

  /** Reads what stands before a member or element, or the closing bracket. */
  #separate(close: number): boolean {
    this.skipSpace();
    const byte = this.peek();
    const fresh = this.#fresh;
    this.#fresh = false;
    if (byte === close) {
      const base = this.#bases[--this.#depth]!;
      if (base >= 0) this.#keyCount = base;
      this.position++;
      return false;
    }
    if (fresh) return true;
    if (byte === COMMA) {
      this.position++;
      this.skipSpace();
      return true;
    }
    return this.#fail(
      this.position,
      byte < 0 ? "the end is missing" : "a comma or closing bracket is missing",
    );
  }

  /** Notes a key of the current object, which must be its first. */
  #addKey(start: number, end: number, escaped: boolean): boolean {
    const base = this.#bases[this.#depth - 1]!;
    const count = this.#keyCount;
    let set = this.#sets[this.#depth - 1];
    if (set === undefined && (escaped || count - base >= 3 * FEW_KEYS)) {
      set = this.#collectKeys(base);
    }
    if (set !== undefined) {
      const size = set.size;
      set.add(this.#setKey(start, end, escaped));
      return set.size > size || this.#fail(start - 1, DUPLICATE_KEY);
    }
    const bytes = this.bytes;
    const keys = this.#keys;
    const digest = (end - start & 0x3fff) << 16 | bytes[start]! << 8 |
      bytes[end - 1]!;
    for (let k = base; k < count; k += 3) {
      if (
        keys[k] === digest &&
        sameBytes(bytes, keys[k + 1]!, keys[k + 2]!, start, end)
      ) return this.#fail(start - 1, DUPLICATE_KEY);
    }
    keys[count] = digest;
    keys[count + 1] = start;
    keys[count + 2] = end;
    this.#keyCount = count + 3;
    return true;
  }

  /** Moves the current object's keys into a set. */
  #collectKeys(base: number): Set<string> {
    const set = new Set<string>();
    for (let k = base; k < this.#keyCount; k += 3) {
      set.add(this.#setKey(this.#keys[k + 1]!, this.#keys[k + 2]!, false));
    }
    this.#sets[this.#depth - 1] = set;
    return set;
  }

  /**
   * A key as it goes into a set. The quote before it is left on: V8 hashes
   * strings that look like array indices predictably, which would let a
   * client choose keys that all collide.
   */
  #setKey(start: number, end: number, escaped: boolean): string {
    return decodeString(this.bytes, start - 1, end, escaped);
  }

  #literal(word: readonly number[]): boolean {
    const start = this.position;
    for (let i = 1; i < word.length; i++) {
      if (start + i >= this.#end || this.bytes[start + i] !== word[i]) {
        return this.#fail(start, "not a JSON value");
      }
    }
    this.position = start + word.length;
    return true;
  }

  #number(): boolean {
    const start = this.position;
    let p = start;
    if (this.bytes[p] === MINUS) p++;
    const first = p;
    p = this.#digits(p);
    if (p === first) return this.#fail(p, "a digit is missing in a number");
    if (p > first + 1 && this.bytes[first] === ZERO) {
      return this.#fail(first, "a number begins with a zero");
    }
    this.integer = true;
    if (p < this.#end && this.bytes[p] === DOT) {
      this.integer = false;
      const fraction = p + 1;
      p = this.#digits(fraction);
      if (p === fraction) {
        return this.#fail(p, "a digit is missing in a number");
      }
    }
    if (p < this.#end && (this.bytes[p]! | 0x20) === 0x65) {
      this.integer = false;
      p++;
      if (
        p < this.#end && (this.bytes[p] === 0x2b || this.bytes[p] === MINUS)
      ) {
        p++;
      }
      const exponent = p;
      p = this.#digits(exponent);
      if (p === exponent) {
        return this.#fail(p, "a digit is missing in a number");
      }
    }
    this.position = p;
    return true;
  }

  #digits(from: number): number {
    let p = from;
    while (p < this.#end && isDigit(this.bytes[p]!)) p++;
    return p;
  }

  #string(): boolean {
    const bytes = this.bytes;
    const end = this.#end;
    let p = this.position + 1;
    this.escaped = false;
    this.loneSurrogate = false;
    for (;;) {
      const near = p + RUN < end ? p + RUN : end;
      while (p < near && PLAIN[bytes[p]!] === 1) p++;
      if (p === near && p < end) {
        p = this.#plainWords(p);
        while (p < end && PLAIN[bytes[p]!] === 1) p++;
      }
      if (p >= end) return this.#fail(p, "a string has no end");
      const byte = bytes[p]!;
      if (byte === QUOTE) {
        this.position = p + 1;
        return true;
      }
      if (byte === BACKSLASH) p = this.#escape(p);
      else if (byte < 0x20) {
        return this.#fail(p, "a control character in a string");
      } else p = this.#multibyte(p);
      if (p < 0) return false;
    }
  }

  /**
   * Skips plain characters four bytes at a time, to within a word of the
   * first other byte. A subtraction borrows from a byte's top bit only where
   * a byte below it does not pass, and nothing is asked but whether all pass,
   * so neither borrows nor byte order matter.
   */
  #plainWords(from: number): number {
    const words = this.#words;
    const lead = this.#wordsFrom;
    const count = words.length;
    let p = from;
    while ((p - lead & 3) !== 0) {
      if (p >= this.#end || PLAIN[this.bytes[p]!] === 0) return p;
      p++;
    }
    let w = p - lead >> 2;
    while (w < count) {
      const word = words[w]!;
      if (
        (
          (word |
            (word - 0x20202020) |
            ((word ^ 0x22222222) - 0x01010101) |
            ((word ^ 0x5c5c5c5c) - 0x01010101)) & 0x80808080
        ) !== 0
      ) break;
      w++;
    }
    const reached = lead + (w << 2);
    return reached > p ? reached : p;
  }

  /** Reads the escape at `p` and returns the offset behind it, or −1. */
  #escape(p: number): number {
    this.escaped = true;
    const letter = p + 1 < this.#end ? this.bytes[p + 1]! : 0;
    if (SHORT_ESCAPE[letter] === 1) return p + 2;
    if (letter !== 0x75) {
      this.#fail(p, "an unknown escape in a string");
      return -1;
    }
    const code = this.#hex4(p + 2);
    if (code < 0) {
      this.#fail(p, "an unknown escape in a string");
      return -1;
    }
    if ((code & 0xf800) !== 0xd800) return p + 6;
    if (code < 0xdc00 && this.#lowSurrogate(p + 6)) return p + 12;
    this.loneSurrogate = true;
    return p + 6;
  }

  #lowSurrogate(p: number): boolean {
    return p + 6 <= this.#end && this.bytes[p] === BACKSLASH &&
      this.bytes[p + 1] === 0x75 &&
      (this.#hex4(p + 2) & 0xfc00) === 0xdc00;
  }

  #hex4(p: number): number {
    return p + 4 <= this.#end ? hex4(this.bytes, p) : -1;
  }

  /**
   * Reads the non-ASCII characters at `p` and returns the offset behind them,
   * or −1 (RFC 3629, section 4: the table of well-formed sequences).
   */
  #multibyte(from: number): number {
    const bytes = this.bytes;
    const end = this.#end;
    let p = from;
    while (p < end) {
      const lead = bytes[p]!;
      if (lead < 0x80) break;
      if (this.#lenient) {
        p++;
        continue;
      }
      // Length of the sequence, and the range of its second byte.
      let length = 0;
      let low = 0x80;
      let high = 0xbf;
      if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        if (lead === 0xe0) low = 0xa0; // overlong below
        else if (lead === 0xed) high = 0x9f; // surrogates above
      } else if (lead >= 0xc2 && lead <= 0xdf) length = 2;
      else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        if (lead === 0xf0) low = 0x90; // overlong below
        else if (lead === 0xf4) high = 0x8f; // beyond U+10FFFF above
      }
      if (
        length === 0 || p + length > end || bytes[p + 1]! < low ||
        bytes[p + 1]! > high ||
        (length > 2 && (bytes[p + 2]! & 0xc0) !== 0x80) ||
        (length > 3 && (bytes[p + 3]! & 0xc0) !== 0x80)
      ) {
        this.#fail(p, "not valid UTF-8");
        return -1;
      }
      p += length;
    }
    return p;
  }

  #fail(offset: number, reason: string): false {
    this.offset = offset;
    this.reason = reason;
    return false;
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function sameBytes(
  bytes: Uint8Array,
  start: number,
  end: number,
  otherStart: number,
  otherEnd: number,
): boolean {
  if (end - start !== otherEnd - otherStart) return false;
  for (let i = start, j = otherStart; i < end; i++, j++) {
    if (bytes[i] !== bytes[j]) return false;
  }
  return true;
}
