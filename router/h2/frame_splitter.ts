/**
 * Finds the frames in what arrives, however it is cut. Pure.
 *
 * @module
 */

import {
  type Frame,
  FRAME_HEAD_BYTES,
  MAX_31_BITS,
  PREFACE,
} from "./frames.ts";

const NOTHING = new Uint8Array();

/** Why there can be no further frame. */
export type FrameProblem = "no preface" | "frame too large";

/** Splits one connection's bytes. */
export class FrameSplitter {
  readonly #maxPayload: number;
  /** What is left of the last chunk: less than a frame. */
  #rest: Uint8Array = NOTHING;
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  #prefaceSeen = false;

  /**
   * Begins before the preface.
   *
   * @param maxPayload Bytes that a payload may have.
   */
  constructor(maxPayload: number) {
    this.#maxPayload = maxPayload;
  }

  /** Takes what has arrived, once {@linkcode next} has found all before it. */
  push(chunk: Uint8Array): void {
    if (this.#rest.length === 0) this.#chunk = chunk;
    else {
      const joined = new Uint8Array(this.#rest.length + chunk.length);
      joined.set(this.#rest);
      joined.set(chunk, this.#rest.length);
      this.#chunk = joined;
    }
    this.#rest = NOTHING;
    this.#at = 0;
  }

  /** The next frame; undefined until more has arrived. */
  next(): Frame | FrameProblem | undefined {
    if (!this.#prefaceSeen) {
      const problem = this.#preface();
      if (problem !== undefined) return problem;
      if (!this.#prefaceSeen) return this.#wait();
    }
    const chunk = this.#chunk;
    const at = this.#at;
    if (chunk.length - at < FRAME_HEAD_BYTES) return this.#wait();
    const length = chunk[at]! << 16 | chunk[at + 1]! << 8 | chunk[at + 2]!;
    if (length > this.#maxPayload) return "frame too large";
    const start = at + FRAME_HEAD_BYTES;
    if (chunk.length < start + length) return this.#wait();
    this.#at = start + length;
    return {
      type: chunk[at + 3]!,
      flags: chunk[at + 4]!,
      stream: uint31(chunk, at + 5),
      payload: chunk.subarray(start, start + length),
    };
  }

  #preface(): FrameProblem | undefined {
    const { length } = PREFACE;
    const come = Math.min(length, this.#chunk.length);
    for (let i = 0; i < come; i++) {
      if (this.#chunk[i] !== PREFACE.charCodeAt(i)) return "no preface";
    }
    if (come === length) {
      this.#prefaceSeen = true;
      this.#at = length;
    }
    return undefined;
  }

  #wait(): undefined {
    this.#rest = this.#chunk.subarray(this.#at);
    return undefined;
  }
}

/** Reads 31 bits; the one before them means nothing. */
export function uint31(bytes: Uint8Array, at: number): number {
  return uint32(bytes, at) & MAX_31_BITS;
}

/** Reads 32 bits. */
export function uint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 |
    bytes[at + 3]!) >>> 0;
}
