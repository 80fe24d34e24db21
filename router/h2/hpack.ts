/**
 * Reads header blocks of HTTP/2. Pure; what was read before is remembered, as
 * later blocks refer to it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7541
 *
 * @module
 */

import { STATIC_HEADERS } from "./hpack_static.ts";
import { readHuffman } from "./huffman.ts";

/** Name and value of a header, an octet a character. */
export type HeaderField = readonly [name: string, value: string];

/** Bytes that the headers remembered may take: what every peer assumes. */
const MAX_TABLE_BYTES = 4096;
/** What a header takes besides its name and value (section 4.1). */
const ENTRY_BYTES = 32;
/** Integers beyond are not meant seriously. */
const MAX_INTEGER = 2 ** 28;

/** Why a block cannot be read; the connection is lost with it. */
export type HpackProblem = "malformed" | "too large";

/** A block and what it meant. */
interface LastBlock {
  readonly block: Uint8Array;
  readonly fields: readonly HeaderField[];
  readonly changes: number;
}

/** Reads one connection's blocks, in their order. */
export class HpackReader {
  readonly #maxListBytes: number;
  /** What was read last stands first. */
  readonly #remembered: HeaderField[] = [];
  #bytes = 0;
  #maxBytes = MAX_TABLE_BYTES;

  /** Counts what changes the meaning of blocks. */
  #changes = 0;
  /** The last block, where it means the same if it comes again. */
  #last: LastBlock | undefined;

  #block: Uint8Array = new Uint8Array();
  #at = 0;
  #problem: HpackProblem | undefined;

  /**
   * Begins with nothing remembered.
   *
   * @param maxListBytes What the headers of a block may take, read.
   */
  constructor(maxListBytes: number) {
    this.#maxListBytes = maxListBytes;
  }

  /**
   * Reads a whole block. A peer's requests are much alike: what is answered is
   * the very same where it is equal.
   */
  read(block: Uint8Array): readonly HeaderField[] | HpackProblem {
    const last = this.#last;
    if (last?.changes === this.#changes && isSame(last.block, block)) {
      return last.fields;
    }
    const before = this.#changes;
    const fields = this.#read(block);
    this.#last = typeof fields === "string" || before !== this.#changes
      ? undefined
      : { block: block.slice(), fields, changes: before };
    return fields;
  }

  #read(block: Uint8Array): readonly HeaderField[] | HpackProblem {
    this.#block = block;
    this.#at = 0;
    this.#problem = undefined;
    const fields: HeaderField[] = [];
    let listBytes = 0;
    while (this.#at < block.length) {
      const field = this.#field(fields.length === 0);
      if (this.#problem !== undefined) return this.#problem;
      if (field === undefined) continue;
      listBytes += sizeOf(field);
      if (listBytes > this.#maxListBytes) return "too large";
      fields.push(field);
    }
    return fields;
  }

  /** Reads a header; undefined where the table's size is told instead. */
  #field(first: boolean): HeaderField | undefined {
    const byte = this.#block[this.#at]!;
    if (byte >= 0x80) return this.#indexed(this.#integer(7));
    if (byte >= 0x40) {
      const field = this.#literal(6);
      if (field !== undefined) this.#remember(field);
      return field;
    }
    if (byte >= 0x20) {
      const size = this.#integer(5);
      // Only before the headers, and never more than was offered.
      if (!first || size > MAX_TABLE_BYTES) this.#fail();
      else {
        this.#maxBytes = size;
        this.#changes++;
        this.#evict();
      }
      return undefined;
    }
    return this.#literal(4);
  }

  #literal(prefix: number): HeaderField | undefined {
    const index = this.#integer(prefix);
    const name = index === 0 ? this.#string() : this.#indexed(index)?.[0];
    const value = this.#string();
    return name === undefined || value === undefined
      ? undefined
      : [name, value];
  }

  #indexed(index: number): HeaderField | undefined {
    const field = index <= STATIC_HEADERS.length
      ? STATIC_HEADERS[index - 1]
      : this.#remembered[index - STATIC_HEADERS.length - 1];
    return field ?? this.#fail();
  }

  #string(): string | undefined {
    if (this.#at >= this.#block.length) return this.#fail();
    const coded = this.#block[this.#at]! >= 0x80;
    const length = this.#integer(7);
    const start = this.#at;
    const end = start + length;
    if (this.#problem !== undefined || end > this.#block.length) {
      return this.#fail();
    }
    this.#at = end;
    if (coded) return readHuffman(this.#block, start, end) ?? this.#fail();
    let text = "";
    for (let i = start; i < end; i++) {
      text += String.fromCharCode(this.#block[i]!);
    }
    return text;
  }

  /** Reads an integer that begins in the last `prefix` bits (section 5.1). */
  #integer(prefix: number): number {
    const mask = 2 ** prefix - 1;
    let value = this.#block[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; this.#at < this.#block.length; shift += 7) {
      const byte = this.#block[this.#at++]!;
      value += (byte & 0x7f) * 2 ** shift;
      if (value > MAX_INTEGER || shift > 28) break;
      if (byte < 0x80) return value;
    }
    this.#fail();
    return 0;
  }

  #remember(field: HeaderField): void {
    this.#remembered.unshift(field);
    this.#changes++;
    this.#bytes += sizeOf(field);
    this.#evict();
  }

  #evict(): void {
    while (this.#bytes > this.#maxBytes) {
      this.#bytes -= sizeOf(this.#remembered.pop()!);
    }
  }

  #fail(): undefined {
    this.#problem ??= "malformed";
    return undefined;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((octet, i) => octet === b[i]);
}

function sizeOf([name, value]: HeaderField): number {
  return name.length + value.length + ENTRY_BYTES;
}
