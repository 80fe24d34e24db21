/**
 * Which HTTP/2 carries the calls of who connects where. Pure.
 *
 * | choice    | Envoy on this machine | Envoy on another machine |
 * | --------- | --------------------- | ------------------------ |
 * | `auto`    | our own (`h2/`)       | grpc-js                  |
 * | `own`     | our own               | our own                  |
 * | `grpc-js` | grpc-js               | grpc-js                  |
 *
 * Our own takes less than half the CPU time, and bears an Envoy that resets
 * each stream. It holds a peer to the protocol, and bounds what a connection can
 * have us keep, but not how often it asks, nor over how many connections: it is
 * for networks that let only Envoys connect.
 *
 * @module
 */

import type { Address } from "../shared/address.ts";

/** What may be chosen. */
export const GRPC_SERVERS = ["auto", "own", "grpc-js"] as const;

/** What was chosen. */
export type GrpcServer = (typeof GRPC_SERVERS)[number];

/** What carries calls. */
export type Carrier = Exclude<GrpcServer, "auto">;

/** Tells what carries the calls of who connects to an address. */
export function carrierOf(address: Address, chosen: GrpcServer): Carrier {
  if (chosen !== "auto") return chosen;
  return isOnThisMachine(address) ? "own" : "grpc-js";
}

/** Whether nobody on another machine can connect there. */
function isOnThisMachine(address: Address): boolean {
  return address.kind === "unix" ||
    /^(127\.\d+\.\d+\.\d+|::1|localhost)$/.test(address.host);
}
