/**
 * Serves gRPC on a connection of Deno's: node:net takes 64 KiB of memory for
 * whatever it reads, and to collect that costs more than the reading.
 *
 * @module
 */

import type { AcceptCall } from "../grpc_call.ts";
import { H2Connection } from "./connection.ts";
import { ConnWriter, MAX_UNWRITTEN_BYTES } from "./conn_writer.ts";

/** What is read at once. */
const READ_BYTES = 256 * 1024;

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
