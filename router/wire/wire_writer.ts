/**
 * Writes a protobuf message from its end to its beginning: the length of what
 * stands in a field is known by the time that it has to be written. Pure.
 *
 * @see https://protobuf.dev/programming-guides/encoding/
 *
 * @module
 */

/** Bytes to begin with; few messages need more. */
const BYTES = 4096;
/** Memory beyond this is given back after a message that needed it. */
const MAX_KEPT_BYTES = 256 * 1024;
/** Strings up to here are written by a loop. */
const SHORT = 64;

const utf8 = new TextEncoder();

/**
 * A message that grows towards its beginning: fields are written last one
 * first, and what stands in a field before the field itself.
 */
export class WireWriter {
  #bytes = new Uint8Array(BYTES);
  /** Where what was written begins. */
  #at = BYTES;

  /** Bytes written so far. */
  get length(): number {
    return this.#bytes.length - this.#at;
  }

  /** Begins a message; whatever was left of another one is gone. */
  begin(): void {
    if (this.#bytes.length > MAX_KEPT_BYTES) {
      this.#bytes = new Uint8Array(BYTES);
    }
    this.#at = this.#bytes.length;
  }

  /** The message that was written, until the next one is begun. */
  written(): Uint8Array {
    return this.#bytes.subarray(this.#at);
  }

  /** Writes an integer of at most 32 bits. */
  integer(tag: number, value: number): void {
    this.#varint(value);
    this.#varint(tag);
  }

  /** Writes bytes. */
  bytes(tag: number, value: Uint8Array): void {
    this.#room(value.length);
    this.#at -= value.length;
    this.#bytes.set(value, this.#at);
    this.#varint(value.length);
    this.#varint(tag);
  }

  /** Writes a string as UTF-8. */
  string(tag: number, value: string): void {
    const { length } = value;
    if (length <= SHORT && this.#ascii(value)) {
      this.#varint(length);
      this.#varint(tag);
    } else this.bytes(tag, utf8.encode(value));
  }

  /**
   * Writes the message around all that was written since.
   *
   * @param before {@linkcode length} before its last field was written.
   */
  message(tag: number, before: number): void {
    this.#varint(this.length - before);
    this.#varint(tag);
  }

  #ascii(value: string): boolean {
    const { length } = value;
    this.#room(length);
    const bytes = this.#bytes;
    const start = this.#at - length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[start + i] = code;
    }
    this.#at = start;
    return true;
  }

  #varint(value: number): void {
    this.#room(5);
    const length = value < 0x80
      ? 1
      : value < 0x4000
      ? 2
      : value < 0x200000
      ? 3
      : value < 0x10000000
      ? 4
      : 5;
    let at = this.#at -= length;
    const bytes = this.#bytes;
    for (; value >= 0x80; value >>>= 7) bytes[at++] = value & 0x7f | 0x80;
    bytes[at] = value;
  }

  /** Makes room for that many bytes more. */
  #room(length: number): void {
    if (length <= this.#at) return;
    const written = this.#bytes.subarray(this.#at);
    const needed = written.length + length + BYTES;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    this.#at = grown.length - written.length;
    grown.set(written, this.#at);
    this.#bytes = grown;
  }
}
