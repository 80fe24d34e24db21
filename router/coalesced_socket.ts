/**
 * A duplex stream over a socket that gathers what is written within one turn
 * of the event loop and hands it to the socket as one write. node:http2 writes
 * every frame on its own; each such write is a system call, and those are most
 * of what an exchange with Envoy costs.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import { setImmediate } from "node:timers";

/** Called when a write is done, or failed. */
export type Done = (error?: Error | null) => void;

/** Bytes accepted ahead of the socket before the writer has to wait. */
const HIGH_WATER_BYTES = 1024 * 1024;

/** A socket whose writes are gathered. */
export class CoalescedSocket extends Duplex {
  readonly #socket: Socket;
  #pending: Uint8Array[] = [];
  #unwritten = 0;
  /** A writer that waits until the socket has caught up. */
  #waiting: Done | undefined;
  #scheduled = false;

  /** Takes over `socket`; ends and errors go both ways. */
  constructor(socket: Socket) {
    super({ allowHalfOpen: true });
    this.#socket = socket;
    // Without it the last frame of an exchange waits for Nagle: 44 ms a call.
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on("end", () => this.push(null));
    socket.on("error", (error: Error) => this.destroy(error));
    socket.on("close", () => this.destroy());
  }

  /** Asks for more. */
  override _read(): void {
    this.#socket.resume();
  }

  /** Takes one chunk; the socket gets it at the end of the turn. */
  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    this.#pending.push(chunk);
    this.#unwritten += chunk.length;
    if (!this.#scheduled) {
      this.#scheduled = true;
      // Behind everything that this turn has read and its promises lead to:
      // exchanges that came together are answered together.
      setImmediate(() => this.#flush());
    }
    // Answered at once while there is room: a stream holds later chunks back
    // until an earlier one is done, and then nothing could be gathered.
    if (this.#unwritten < HIGH_WATER_BYTES) done();
    else this.#waiting = done;
  }

  /** Writes what is left and ends the socket. */
  override _final(done: Done): void {
    this.#flush();
    this.#socket.end(() => done());
  }

  /** Writes what is left, unless there was an error, and lets the socket go. */
  override _destroy(error: Error | null, done: Done): void {
    if (error === null) {
      this.#flush();
      this.#socket.destroySoon();
    } else this.#socket.destroy();
    this.#pending = [];
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.(error ?? new Error("Cannot write: the connection is closed"));
    done(error);
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#pending.length === 0 || this.#socket.destroyed) return;
    const pending = this.#pending;
    this.#pending = [];
    const [first] = pending;
    const bytes = pending.length === 1 && first !== undefined
      ? first
      : Buffer.concat(pending);
    this.#socket.write(bytes, () => {
      this.#unwritten -= bytes.length;
      if (this.#unwritten >= HIGH_WATER_BYTES) return;
      const waiting = this.#waiting;
      this.#waiting = undefined;
      waiting?.();
    });
  }
}
