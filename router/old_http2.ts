/**
 * What node:http2 of an older Deno needs to serve gRPC; nothing in a Deno of
 * the release that the project is developed with. Executables are built with
 * an older one where Deno's own download site cannot be reached.
 *
 * Until Deno took Node's own HTTP/2, its node:http2 handed each connection to
 * the server that is behind `Deno.serve`. That one
 *
 * - takes a connection of Deno's and no other stream, least of all one of
 *   ours: {@linkcode listenNatively} makes such connections;
 * - has no socket to show: `session.socket` throws at every property, and
 *   grpc-js asks it for the client's address on every call. Importing this
 *   module, before grpc-js loads, gives each session a socket that has none.
 *
 * There, ends of connections go unnoticed and drains reset what is under way.
 *
 * @module
 */

import http2, { type Http2Session } from "node:http2";
import type { Duplex } from "node:stream";
import type { Address } from "../shared/address.ts";

/** Whether node:http2 serves connections of Deno's only. */
export const NATIVE_ONLY: boolean = !("performServerHandshake" in http2);

if (NATIVE_ONLY) showSockets();

function showSockets(): void {
  const createServer = http2.createServer;
  const patched = (...args: Parameters<typeof createServer>) => {
    const server = createServer(...args);
    server.on("session", (session: Http2Session) => {
      Object.defineProperty(session, "socket", { value: {} });
    });
    return server;
  };
  http2.createServer = patched as typeof createServer;
}

/** A listener of {@linkcode listenNatively}. */
export interface NativeListener {
  /** Where it listens, the port filled in. */
  readonly address: Address;
  /** Takes no more connections; those that there are stay. */
  close(): void;
}

/**
 * Listens, and hands on each connection as Deno has it.
 *
 * @param inject What grpc-js takes connections by.
 * @throws {Error} If the address cannot be listened on.
 */
export function listenNatively(
  address: Address,
  inject: (connection: Duplex) => void,
): NativeListener {
  const listener = address.kind === "unix"
    ? Deno.listen({ transport: "unix", path: address.path })
    : Deno.listen({ hostname: address.host, port: address.port });
  void accept(listener, inject);
  const bound = listener.addr;
  return {
    address: address.kind === "tcp" && bound.transport === "tcp"
      ? { ...address, port: bound.port }
      : address,
    close: () => listener.close(),
  };
}

/** Ends, without an error, when the listener is closed. */
async function accept(
  listener: AsyncIterable<Deno.Conn>,
  inject: (connection: Duplex) => void,
): Promise<void> {
  for await (const connection of listener) {
    // Without it the last frame of an exchange waits for Nagle.
    if ("setNoDelay" in connection) {
      (connection as Deno.TcpConn).setNoDelay(true);
    }
    inject(connection as unknown as Duplex);
  }
}
