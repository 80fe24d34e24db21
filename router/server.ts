/**
 * The gRPC edge: serves Envoy's `ExternalProcessor.Process` and
 * `grpc.health.v1.Health` over TCP and unix sockets.
 *
 * Of the CPU time that a call costs the router, grpc-js and Deno's node:http2
 * beneath it take two thirds; that is why there is an HTTP/2 of our own, and
 * `grpc_carrier.ts` says which one carries what.
 *
 * @module
 */

import { createServer, type Server as NetServer, type Socket } from "node:net";
import type { Address } from "../shared/address.ts";
import { waitOnTimer } from "../shared/wait_on_timer.ts";
import type { AcceptCall } from "./grpc_call.ts";
import { carrierOf, type GrpcServer } from "./grpc_carrier.ts";
import { type H2Listener, listenH2 } from "./h2/listen.ts";
import { listenNatively, NATIVE_ONLY } from "./old_http2.ts";
import { ProcessCall, type ProcessOptions } from "./process_call.ts";
import { NO_PACE, NODE_HTTP2_PACE, UnderWay } from "./under_way.ts";

/** What the server needs. */
export interface ProcessorOptions extends ProcessOptions {
  /** Where to listen; at least one. */
  readonly addresses: readonly Address[];
  /** What carries calls; `auto` unless given. */
  readonly grpcServer?: GrpcServer;
  /** Whether health checks shall succeed. */
  readonly ready: () => boolean;
}

/** A running server. */
export interface Processor {
  /** Addresses it listens on, ports filled in. */
  readonly addresses: readonly Address[];
  /** Number of exchanges under way. */
  readonly active: number;
  /**
   * Ends: takes no more connections, lets the exchanges under way finish, and
   * lets those go of which the router has seen all that it needs to.
   *
   * @param deadline Ends the wait; there is none unless given.
   */
  close(deadline?: AbortSignal): Promise<void>;
}

const NEVER = new AbortController().signal;
const PROCESS_PATH = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";
const HEALTH_PATH = "/grpc.health.v1.Health/Check";
/** HealthCheckResponse{status: SERVING} and {status: NOT_SERVING}. */
const SERVING = new Uint8Array([0x08, 0x01]);
const NOT_SERVING = new Uint8Array([0x08, 0x02]);

/**
 * Starts serving.
 *
 * @throws {Error} If an address cannot be listened on.
 */
export async function serveProcessor(
  options: ProcessorOptions,
): Promise<Processor> {
  const { log, grpcServer = "auto" } = options;
  const isOwn = (address: Address) => carrierOf(address, grpcServer) === "own";
  const underWay = new UnderWay();
  const methods = new Map<string, AcceptCall>([
    [PROCESS_PATH, processCalls(options, underWay)],
    [HEALTH_PATH, health(options.ready)],
  ]);
  // Read only where it is needed: it is half of a router, and of its start.
  const grpcJs = options.addresses.every(isOwn)
    ? undefined
    : (await import("./grpc_js_transport.ts")).grpcJsTransport(methods);
  const own: H2Listener[] = [];
  const sockets = new Set<Socket>();
  const listeners: { close(): void }[] = [];
  const addresses: Address[] = [];
  for (const address of options.addresses) {
    if (address.kind === "unix") {
      // A socket that a killed predecessor left behind would refuse us.
      await Deno.remove(address.path).catch(() => {});
    }
    if (isOwn(address)) {
      const listener = listenH2(address, methods, log);
      own.push(listener);
      addresses.push(listener.address);
      continue;
    }
    if (NATIVE_ONLY && grpcJs !== undefined) {
      const native = listenNatively(address, grpcJs.serveAsItIs);
      listeners.push(native);
      addresses.push(native.address);
      continue;
    }
    const listener = createServer((socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      grpcJs?.serve(socket);
    });
    listeners.push(listener);
    addresses.push(await listen(listener, address));
  }
  log.debug("grpc server up", { addresses: addresses.length });

  return {
    addresses,
    get active() {
      return underWay.size;
    },
    async close(deadline = NEVER) {
      for (const listener of [...own, ...listeners]) listener.close();
      // First the exchanges, then the connections: closing a connection resets
      // the streams on it now and then (node:http2 in Deno), and exchanges that
      // Envoy still begins on it are as good as any.
      await underWay.drain(
        waitOnTimer,
        deadline,
        grpcJs === undefined ? NO_PACE : NODE_HTTP2_PACE,
      );
      await Promise.all([...own.map((one) => one.end()), grpcJs?.close()]);
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** Answers calls of `Process`, and keeps count of them. */
function processCalls(
  options: ProcessOptions,
  underWay: UnderWay,
): AcceptCall {
  return (call) => {
    const exchange = new ProcessCall(call, {
      ...options,
      onExchange: (outcome) => {
        options.onExchange?.(outcome);
        underWay.delete(exchange);
      },
    });
    underWay.add(exchange);
    return exchange;
  };
}

/** Answers health checks. */
function health(ready: () => boolean): AcceptCall {
  return (call) => ({
    message() {
      call.write(ready() ? SERVING : NOT_SERVING);
      return Promise.resolve();
    },
    end: () => call.end(),
    cancelled: () => {},
  });
}

async function listen(
  listener: NetServer,
  address: Address,
): Promise<Address> {
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(
      address.kind === "unix"
        ? { path: address.path }
        : { host: address.host, port: address.port },
      () => resolve(),
    );
  });
  const bound = listener.address();
  return address.kind === "tcp" && bound !== null && typeof bound === "object"
    ? { ...address, port: bound.port }
    : address;
}
