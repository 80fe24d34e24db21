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
  #chunk: Uint8Array = NOTHING;
  #at = 0;
  /** Bytes of the preface that have come. */
  #prefaceCome = 0;
  /** A frame of which the last chunk had the beginning; as long as it is known to be. */
  #partial: Uint8Array = NOTHING;
  /** Bytes of it that have come; 0 where there is none. */
  #come = 0;

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
    this.#chunk = chunk;
    this.#at = 0;
  }

  /** The next frame; undefined until more has arrived. */
  next(): Frame | FrameProblem | undefined {
    if (this.#prefaceCome < PREFACE.length && !this.#preface()) {
      return "no preface";
    }
    if (this.#at === this.#chunk.length) return undefined;
    if (this.#come > 0) return this.#completed();
    const chunk = this.#chunk;
    const start = this.#at;
    const left = chunk.length - start;
    const size = left < FRAME_HEAD_BYTES ? left : sizeOf(chunk, start);
    if (size - FRAME_HEAD_BYTES > this.#maxPayload) return "frame too large";
    if (left >= FRAME_HEAD_BYTES && left >= size) {
      this.#at = start + size;
      return frameOf(chunk, start, size);
    }
    this.#partial = new Uint8Array(Math.max(size, FRAME_HEAD_BYTES));
    this.#take(left);
    return undefined;
  }

  /** Goes on with the frame that the last chunk had the beginning of. */
  #completed(): Frame | FrameProblem | undefined {
    if (this.#come < FRAME_HEAD_BYTES) {
      this.#take(FRAME_HEAD_BYTES - this.#come);
      if (this.#come < FRAME_HEAD_BYTES) return undefined;
    }
    const size = sizeOf(this.#partial, 0);
    if (size - FRAME_HEAD_BYTES > this.#maxPayload) return "frame too large";
    if (this.#partial.length < size) {
      const head = this.#partial;
      this.#partial = new Uint8Array(size);
      this.#partial.set(head);
    }
    this.#take(size - this.#come);
    if (this.#come < size) return undefined;
    this.#come = 0;
    return frameOf(this.#partial, 0, size);
  }

  /** Moves so many bytes of the chunk to the frame, or all that there are. */
  #take(wanted: number): void {
    const part = this.#chunk.subarray(this.#at, this.#at + wanted);
    this.#partial.set(part, this.#come);
    this.#come += part.length;
    this.#at += part.length;
  }

  #preface(): boolean {
    while (
      this.#prefaceCome < PREFACE.length && this.#at < this.#chunk.length
    ) {
      const want = PREFACE.charCodeAt(this.#prefaceCome++);
      if (this.#chunk[this.#at++] !== want) return false;
    }
    return true;
  }
}

/** Bytes of the frame that begins there, its head included. */
function sizeOf(bytes: Uint8Array, at: number): number {
  return FRAME_HEAD_BYTES +
    (bytes[at]! << 16 | bytes[at + 1]! << 8 | bytes[at + 2]!);
}

function frameOf(bytes: Uint8Array, at: number, size: number): Frame {
  return {
    type: bytes[at + 3]!,
    flags: bytes[at + 4]!,
    stream: uint31(bytes, at + 5),
    payload: bytes.subarray(at + FRAME_HEAD_BYTES, at + size),
  };
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
