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

/** Splits one stream's data. */
export class MessageSplitter {
  /** What has come of a message that is not whole. */
  #parts: Uint8Array[] = [];
  #come = 0;
  /** Bytes that it will have, its head included; 0 where that is not known. */
  #needed = 0;

  /** Whether the data ended within a message. */
  get isWithin(): boolean {
    return this.#come > 0;
  }

  /**
   * Takes data.
   *
   * @returns The messages that are whole now; undefined where one is
   * compressed, which nobody agreed on.
   */
  push(data: Uint8Array): Uint8Array[] | undefined {
    const whole: Uint8Array[] = [];
    let rest = data;
    while (rest.length > 0) {
      if (this.#come === 0) {
        // Most messages come in one piece.
        const length = lengthOf(rest);
        if (length !== undefined && rest.length >= length) {
          if (rest[0] !== 0) return undefined;
          whole.push(rest.subarray(MESSAGE_HEAD_BYTES, length));
          rest = rest.subarray(length);
          continue;
        }
      }
      rest = this.#collect(rest);
      if (this.#needed === 0 || this.#come < this.#needed) continue;
      const message = this.#joined();
      if (message[0] !== 0) return undefined;
      whole.push(message.subarray(MESSAGE_HEAD_BYTES));
    }
    return whole;
  }

  /** Takes what belongs to the message; returns what does not. */
  #collect(data: Uint8Array): Uint8Array {
    const wanted = (this.#needed || MESSAGE_HEAD_BYTES) - this.#come;
    const part = data.subarray(0, wanted);
    this.#parts.push(part);
    this.#come += part.length;
    if (this.#needed === 0 && this.#come === MESSAGE_HEAD_BYTES) {
      const head = concat(this.#parts, this.#come);
      this.#parts = [head];
      this.#needed = lengthOf(head)!;
    }
    return data.subarray(part.length);
  }

  #joined(): Uint8Array {
    const message = concat(this.#parts, this.#come);
    this.#parts = [];
    this.#come = 0;
    this.#needed = 0;
    return message;
  }
}

function lengthOf(head: Uint8Array): number | undefined {
  return head.length < MESSAGE_HEAD_BYTES
    ? undefined
    : MESSAGE_HEAD_BYTES + uint32(head, 1);
}

function concat(parts: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
