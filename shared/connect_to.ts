/**
 * Connects to where a program of ours listens, over TCP or a unix socket.
 *
 * @module
 */

import { type Address, reachableAt } from "./address.ts";

/**
 * Connects.
 *
 * @param address Where the program was told to listen: a wildcard is tried on
 * loopback.
 */
export function connectTo(address: Address): Promise<Deno.Conn> {
  const at = reachableAt(address);
  return at.kind === "unix"
    ? Deno.connect({ transport: "unix", path: at.path })
    : Deno.connect({ hostname: at.host, port: at.port });
}
