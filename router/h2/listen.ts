/**
 * Listens for Envoys, and serves gRPC to them.
 *
 * @module
 */

import type { Address } from "../../shared/address.ts";
import type { Logger } from "../../shared/log.ts";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import type { AcceptCall } from "../grpc_call.ts";
import { serveConn, type ServedConn } from "./serve_conn.ts";

/** Between two tries to take a connection, where one failed. */
const AGAIN_MS = 100;

/** A listener. */
export interface H2Listener {
  /** Where it listens, the port filled in. */
  readonly address: Address;
  /** Takes no more connections; those that there are stay. */
  close(): void;
  /** Says goodbye on all connections; resolves when they have ended. */
  end(): Promise<void>;
}

/**
 * Listens.
 *
 * @param methods By path: `/service/Method`.
 * @throws {Error} If the address cannot be listened on.
 */
export function listenH2(
  address: Address,
  methods: ReadonlyMap<string, AcceptCall>,
  log: Logger,
): H2Listener {
  const listener = address.kind === "unix"
    ? Deno.listen({ transport: "unix", path: address.path })
    : Deno.listen({ hostname: address.host, port: address.port });
  const served = new Set<ServedConn>();
  const closing = new AbortController();
  const serve = (conn: Deno.Conn) => {
    const one = serveConn(
      conn,
      methods,
      (error) => log.error("connection failed", { error }),
    );
    served.add(one);
    void one.ended.then(() => served.delete(one));
  };
  void acceptAll(listener, serve, closing.signal, log);
  const bound = listener.addr;
  return {
    address: address.kind === "tcp" && bound.transport === "tcp"
      ? { ...address, port: bound.port }
      : address,
    close() {
      if (closing.signal.aborted) return;
      closing.abort();
      listener.close();
    },
    async end() {
      const all = [...served];
      for (const one of all) one.close();
      await Promise.all(all.map(({ ended }) => ended));
    },
  };
}

/** Takes connections until it is closed; never rejects. */
export async function acceptAll(
  listener: Pick<Deno.Listener, "accept">,
  serve: (conn: Deno.Conn) => void,
  closing: AbortSignal,
  log: Logger,
): Promise<void> {
  while (!closing.aborted) {
    try {
      serve(await listener.accept());
    } catch (error) {
      if (closing.aborted) return;
      // Its peer has left already; the next one need not wait for that.
      if (isGone(error)) continue;
      // No file descriptors left, for example: there may be some again.
      log.warn("connection not taken", { error });
      await waitOnTimer(AGAIN_MS, closing);
    }
  }
}

/** Whether a connection was over before it was taken. */
function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionReset ||
    error instanceof Deno.errors.ConnectionAborted;
}
