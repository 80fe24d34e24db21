/**
 * Walks the fields of a protobuf message and decodes nothing by itself. Pure.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 *
 * @module
 */

import type { Buffer } from "node:buffer";

/** Wire type of integers and booleans. */
export const VARINT = 0;
/** Wire type of strings, bytes and messages. */
export const LENGTH_DELIMITED = 2;

const FIXED64 = 1;
const FIXED32 = 5;
/** Lengths and field numbers take at most 32 bits. */
const MAX_VARINT_BYTES = 5;

/**
 * A place in a message. What it does not understand it does not judge: it
 * says so, once, and whoever knows all of protobuf reads the message anew.
 */
export class WireReader {
  /** The whole message. */
  readonly bytes: Buffer;
  /** The number and wire type of the current field. */
  tag = 0;
  /** Where the current field's content begins. */
  start = 0;
  /** Where it ends; of an integer, where the next field begins. */
  end = 0;
  /** The current field's value, where it is an integer. */
  value = 0;
  /** Whether something was met that it does not understand. */
  lost = false;

  #next: number;
  #limit: number;

  /** Begins before the first field. */
  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#next = 0;
    this.#limit = bytes.length;
  }

  /** Moves on to the next field; false behind the last one, or where lost. */
  next(): boolean {
    if (this.#next >= this.#limit || this.lost) return false;
    const tag = this.#varint();
    // Field number 0 is none.
    if (this.lost || tag < 8) return this.#lose();
    this.tag = tag;
    switch (tag & 7) {
      case VARINT:
        this.value = this.#varint();
        break;
      case LENGTH_DELIMITED: {
        const length = this.#varint();
        this.start = this.#next;
        this.#next += length;
        break;
      }
      case FIXED64:
        this.#next += 8;
        break;
      case FIXED32:
        this.#next += 4;
        break;
      default: // groups, and what there is not
        return this.#lose();
    }
    this.end = this.#next;
    return this.lost || this.#next > this.#limit ? this.#lose() : true;
  }

  /**
   * Enters the message that the current field holds.
   *
   * @returns What {@linkcode leave} needs.
   */
  enter(): number {
    const outer = this.#limit;
    this.#next = this.start;
    this.#limit = this.end;
    return outer;
  }

  /** Leaves a message that was read to its end. */
  leave(outer: number): void {
    this.#limit = outer;
  }

  #varint(): number {
    const { bytes } = this;
    let value = 0;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      if (this.#next >= this.#limit) break;
      const byte = bytes[this.#next++]!;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    this.lost = true;
    return 0;
  }

  #lose(): false {
    this.lost = true;
    return false;
  }
}

/** The tag of a field, by which {@linkcode WireReader} tells it. */
export function tagOf(field: number, wireType: number): number {
  return field << 3 | wireType;
}
