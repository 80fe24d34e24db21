/**
 * Gathers what a connection writes within one turn of the event loop, so that
 * it goes out together: each write is a system call and wakes the peer. Memory
 * is used again once it is written.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { FRAME_HEAD_BYTES } from "./frames.ts";

/** Memory taken at once. */
const BLOCK_BYTES = 64 * 1024;
/** Blocks that are kept for later; more are needed while a peer is slow. */
const MAX_SPARE = 8;

/**
 * Writes bytes, and calls back when they are written, or never will be: the
 * memory is used for others then.
 */
export type WriteBytes = (bytes: Uint8Array, done: () => void) => void;

/** A piece of memory. */
interface Block {
  readonly bytes: Uint8Array;
  /** Writes of parts of it that are under way. */
  writes: number;
}

/** Writes frames. */
export class Output {
  readonly #write: WriteBytes;
  #block: Block = { bytes: new Uint8Array(BLOCK_BYTES), writes: 0 };
  /** What of the block is not written yet. */
  #start = 0;
  #end = 0;
  readonly #spare: Block[] = [];
  #scheduled = false;
  #closed = false;

  /**
   * Begins with nothing to write.
   *
   * @param write Writes bytes.
   */
  constructor(write: WriteBytes) {
    this.#write = write;
  }

  /**
   * Writes a frame's head; its payload is to follow by {@linkcode bytes}.
   *
   * @param payload Bytes of the payload.
   */
  head(payload: number, type: number, flags: number, stream: number): void {
    this.#room(FRAME_HEAD_BYTES + payload);
    const { bytes } = this.#block;
    let at = this.#end;
    bytes[at++] = payload >> 16;
    bytes[at++] = payload >> 8;
    bytes[at++] = payload;
    bytes[at++] = type;
    bytes[at++] = flags;
    this.#end = at;
    this.uint32(stream);
  }

  /** Writes a whole frame. */
  frame(
    type: number,
    flags: number,
    stream: number,
    payload: Uint8Array,
  ): void {
    this.head(payload.length, type, flags, stream);
    this.bytes(payload);
  }

  /** Writes a part of the payload for which there is room already. */
  bytes(bytes: Uint8Array): void {
    this.#block.bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Writes 32 bits of such a payload. */
  uint32(value: number): void {
    const { bytes } = this.#block;
    let at = this.#end;
    bytes[at++] = value >>> 24;
    bytes[at++] = value >>> 16;
    bytes[at++] = value >>> 8;
    bytes[at++] = value;
    this.#end = at;
  }

  /** Writes an octet of such a payload. */
  uint8(value: number): void {
    this.#block.bytes[this.#end++] = value;
  }

  /** Hands over what has been gathered. */
  flush(): void {
    if (this.#start === this.#end || this.#closed) return;
    const block = this.#block;
    const bytes = block.bytes.subarray(this.#start, this.#end);
    this.#start = this.#end;
    block.writes++;
    this.#write(bytes, () => {
      block.writes--;
      this.#release(block);
    });
  }

  /** Writes nothing any more. */
  close(): void {
    this.flush();
    this.#closed = true;
  }

  #room(length: number): void {
    if (!this.#scheduled && !this.#closed) {
      this.#scheduled = true;
      // Behind everything that this turn has read and its promises lead to.
      setImmediate(() => {
        this.#scheduled = false;
        this.flush();
      });
    }
    if (this.#end + length <= this.#block.bytes.length) return;
    this.flush();
    const full = this.#block;
    this.#block = length <= BLOCK_BYTES && this.#spare.pop() ||
      { bytes: new Uint8Array(Math.max(BLOCK_BYTES, length)), writes: 0 };
    this.#start = 0;
    this.#end = 0;
    this.#release(full);
  }

  /** Takes a block back that nothing is written from, nor to. */
  #release(block: Block): void {
    if (block.writes > 0) return;
    if (block === this.#block) {
      // From its beginning again: it may never be full.
      if (this.#start === this.#end) this.#start = this.#end = 0;
    } else if (
      block.bytes.length === BLOCK_BYTES && this.#spare.length < MAX_SPARE
    ) this.#spare.push(block);
  }
}
