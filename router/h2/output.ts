/**
 * Gathers what a connection writes within one turn of the event loop, so
 * that it goes out together: each write is a system call and wakes the peer.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import { FRAME_HEAD_BYTES } from "./frames.ts";

/** Memory taken at once. */
const BLOCK_BYTES = 64 * 1024;

/** Where the bytes go. */
export type WriteBytes = (bytes: Uint8Array) => void;

/** Writes frames. */
export class Output {
  readonly #write: WriteBytes;
  #block: Buffer = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  /** What of the block is not written yet. */
  #start = 0;
  #end = 0;
  #scheduled = false;
  #closed = false;

  /**
   * Begins with nothing to write.
   *
   * @param write Writes bytes, which are its own from then on.
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
    const block = this.#block;
    let at = this.#end;
    block[at++] = payload >> 16;
    block[at++] = payload >> 8;
    block[at++] = payload;
    block[at++] = type;
    block[at++] = flags;
    this.#end = block.writeUInt32BE(stream, at);
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
    this.#block.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Writes 32 bits of such a payload. */
  uint32(value: number): void {
    this.#end = this.#block.writeUInt32BE(value >>> 0, this.#end);
  }

  /** Writes an octet of such a payload. */
  uint8(value: number): void {
    this.#block[this.#end++] = value;
  }

  /** Hands over what has been gathered. */
  flush(): void {
    if (this.#start === this.#end || this.#closed) return;
    const bytes = this.#block.subarray(this.#start, this.#end);
    this.#start = this.#end;
    this.#write(bytes);
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
    if (this.#end + length <= this.#block.length) return;
    this.flush();
    this.#block = Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, length));
    this.#start = 0;
    this.#end = 0;
  }
}
