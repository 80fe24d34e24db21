/**
 * Serves gRPC on a connection of Deno's: node:net takes 64 KiB of memory for
 * whatever it reads, and to collect that costs more than the reading.
 *
 * @module
 */

import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import type { AcceptCall } from "../grpc_call.ts";
import { H2Connection } from "./connection.ts";

/** What is read at once. */
const READ_BYTES = 256 * 1024;
/** With so much that a peer has not taken it is not read from. */
const MAX_UNWRITTEN_BYTES = 1024 * 1024;
/** For a goodbye to be read; who has not by then does not. */
const GOODBYE_MS = 2_000;

/** A connection that is served. */
export interface ServedConn {
  /** Says goodbye, and ends the connection once the peer has, too. */
  close(): void;
  /** Ends the connection at once. */
  destroy(): void;
  /** Resolves when the connection has ended; never rejects. */
  readonly ended: Promise<void>;
}

/**
 * Serves a connection, until it ends.
 *
 * @param methods By path: `/service/Method`.
 * @param onDefect Told of an error that the peer cannot be blamed for.
 */
export function serveConn(
  conn: Deno.Conn,
  methods: ReadonlyMap<string, AcceptCall>,
  onDefect: (error: unknown) => void,
): ServedConn {
  if (isTcp(conn)) {
    // Without it the last frame of an exchange waits for Nagle.
    conn.setNoDelay();
    // A machine that is gone says nothing.
    conn.setKeepAlive();
  }
  const writer = new ConnWriter(conn);
  const connection = new H2Connection({
    methods,
    write: (bytes, done) => writer.write(bytes, done),
    end: () => writer.end(),
    onDefect,
  });
  return {
    close: () => connection.close(),
    destroy: () => writer.destroy(),
    ended: read(conn, connection, writer),
  };
}

function isTcp(conn: Deno.Conn): conn is Deno.TcpConn {
  return conn.remoteAddr.transport === "tcp";
}

async function read(
  conn: Deno.Conn,
  connection: H2Connection,
  writer: ConnWriter,
): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  try {
    for (;;) {
      // What a peer asks has an answer: who does not read is not read from.
      if (writer.unwritten >= MAX_UNWRITTEN_BYTES) await writer.caughtUp();
      const length = await conn.read(buffer);
      if (length === null) break;
      connection.receive(buffer.subarray(0, length));
    }
  } catch {
    // The peer is gone, or we have closed.
  }
  connection.lost();
  writer.destroy();
}

/** Writes one piece after the other. */
class ConnWriter {
  /** Bytes that the peer has not taken. */
  unwritten = 0;
  readonly #conn: Deno.Conn;
  #pieces: { readonly bytes: Uint8Array; readonly done: () => void }[] = [];
  #writing = false;
  #ending = false;
  #destroyed = false;
  readonly #over = new AbortController();
  #waiting: (() => void) | undefined;

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

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

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#over.abort();
    this.#conn.close();
    this.#waiting?.();
  }

  async #writeAll(): Promise<void> {
    this.#writing = true;
    for (let at = 0; at < this.#pieces.length; at++) {
      const { bytes, done } = this.#pieces[at]!;
      if (!this.#destroyed) await this.#writeOne(bytes);
      this.unwritten -= bytes.length;
      done();
      if (this.unwritten < MAX_UNWRITTEN_BYTES / 2) this.#waiting?.();
    }
    this.#pieces = [];
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
