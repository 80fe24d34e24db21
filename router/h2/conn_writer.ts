/**
 * Writes to a connection of Deno's, one piece after the other, and ends it.
 *
 * @module
 */

import { waitOnTimer } from "../../shared/wait_on_timer.ts";

/** With so much that a peer has not taken it is not read from. */
export const MAX_UNWRITTEN_BYTES: number = 1024 * 1024;
/** For a goodbye to be read; who has not by then does not. */
const GOODBYE_MS = 2_000;

/** Writes one piece after the other. */
export class ConnWriter {
  /** Bytes that the peer has not taken. */
  unwritten = 0;
  readonly #conn: Deno.Conn;
  readonly #pieces: {
    readonly bytes: Uint8Array;
    readonly done: () => void;
  }[] = [];
  #writing = false;
  #ending = false;
  #destroyed = false;
  readonly #over = new AbortController();
  #waiting: (() => void) | undefined;

  /** Begins with nothing to write. */
  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  /** Pieces that wait, besides the one that is being written. */
  get waiting(): number {
    return this.#pieces.length;
  }

  /** Writes a piece; its memory is used again once it is done. */
  write(bytes: Uint8Array, done: () => void): void {
    if (this.#destroyed) return done();
    this.unwritten += bytes.length;
    this.#pieces.push({ bytes, done });
    if (!this.#writing) void this.#writeAll();
  }

  /** Ends the connection: once all is written, and the peer has read it. */
  end(): void {
    this.#ending = true;
    if (!this.#writing) void this.#shutDown();
    void waitOnTimer(GOODBYE_MS, this.#over.signal).then(() => this.destroy());
  }

  /** Ends our half. Were all of it closed, what is unread would be lost. */
  async #shutDown(): Promise<void> {
    await this.#conn.closeWrite().catch(() => this.destroy());
  }

  /** Resolves when the peer has taken most of it, or never will. */
  caughtUp(): Promise<void> {
    return new Promise((resolve) => this.#waiting = resolve);
  }

  /** Ends the connection at once. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#over.abort();
    this.#conn.close();
    this.#waiting?.();
  }

  async #writeAll(): Promise<void> {
    this.#writing = true;
    // Taken out one by one: to a peer that is always a little behind, there is
    // always another one.
    for (let next; (next = this.#pieces.shift()) !== undefined;) {
      const { bytes, done } = next;
      if (!this.#destroyed) await this.#writeOne(bytes);
      this.unwritten -= bytes.length;
      done();
      if (this.unwritten < MAX_UNWRITTEN_BYTES / 2) this.#waiting?.();
    }
    this.#writing = false;
    if (this.#ending && !this.#destroyed) await this.#shutDown();
  }

  async #writeOne(bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) {
        at += await this.#conn.write(bytes.subarray(at));
      }
    } catch {
      this.destroy();
    }
  }
}
