/**
 * Finds gRPC's messages in a stream's data. Pure.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 *
 * @module
 */

import { uint32 } from "./frame_splitter.ts";

/** Bytes before a message: whether it is compressed, and its length. */
export const MESSAGE_HEAD_BYTES = 5;

/** Memory for a message is taken as it comes, beyond this much. */
const TAKEN_ON_TRUST_BYTES = 256 * 1024;

const NOTHING = new Uint8Array();

/**
 * What a message may have: a body of the largest size that may be chosen
 * (`--max-body-bytes`) and what stands around it. Memory for it is taken as it
 * comes.
 */
const MAX_MESSAGE_BYTES = 257 * 1024 * 1024;

/** Splits one stream's data. */
export class MessageSplitter {
  readonly #head = new Uint8Array(MESSAGE_HEAD_BYTES);
  #headCome = 0;
  /** What has come of the message behind its head, and room for more of it. */
  #message: Uint8Array = NOTHING;
  #come = 0;

  /** Whether the data ended within a message. */
  get isWithin(): boolean {
    return this.#headCome > 0;
  }

  /**
   * Takes data, in memory that is the caller's again afterwards.
   *
   * @returns The messages that are whole now; undefined where one is
   * compressed, which nobody agreed on, or too large.
   */
  push(data: Uint8Array): Uint8Array[] | undefined {
    const whole: Uint8Array[] = [];
    for (let at = 0; at < data.length;) {
      while (this.#headCome < MESSAGE_HEAD_BYTES && at < data.length) {
        this.#head[this.#headCome++] = data[at++]!;
      }
      if (this.#headCome < MESSAGE_HEAD_BYTES) break;
      if (this.#head[0] !== 0) return undefined;
      const length = uint32(this.#head, 1);
      if (length > MAX_MESSAGE_BYTES) return undefined;
      const part = data.subarray(at, at + length - this.#come);
      at += part.length;
      this.#take(part, length);
      if (this.#come < length) break;
      whole.push(this.#message);
      this.#message = NOTHING;
      this.#headCome = 0;
      this.#come = 0;
    }
    return whole;
  }

  #take(part: Uint8Array, length: number): void {
    const come = this.#come + part.length;
    if (come > this.#message.length) {
      const room = Math.max(
        come,
        2 * this.#message.length,
        TAKEN_ON_TRUST_BYTES,
      );
      const grown = new Uint8Array(Math.min(length, room));
      grown.set(this.#message.subarray(0, this.#come));
      this.#message = grown;
    }
    this.#message.set(part, this.#come);
    this.#come = come;
  }
}
