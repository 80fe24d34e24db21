/**
 * Serves gRPC on a socket of Node's.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import type { AcceptCall } from "../grpc_call.ts";
import { H2Connection } from "./connection.ts";

/**
 * Serves a connection, until it ends.
 *
 * @param methods By path: `/service/Method`.
 * @param onDefect Told of an error that the peer cannot be blamed for.
 */
export function serveSocket(
  socket: Socket,
  methods: ReadonlyMap<string, AcceptCall>,
  onDefect: (error: unknown) => void,
): H2Connection {
  // Without it the last frame of an exchange waits for Nagle.
  socket.setNoDelay(true);
  const connection = new H2Connection({
    methods,
    // A peer that does not read is not read from: what it asks has an answer.
    write: (bytes) => {
      if (!socket.write(bytes)) socket.pause();
    },
    end: () => socket.destroySoon(),
    onDefect,
  });
  socket.on("drain", () => socket.resume());
  socket.on("data", (chunk: Buffer) =>
    connection.receive(
      new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength),
    ));
  socket.on("end", () => {
    connection.lost();
    socket.destroySoon();
  });
  // "close" comes behind it.
  socket.on("error", () => {});
  socket.on("close", () => connection.lost());
  return connection;
}
