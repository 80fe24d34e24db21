/**
 * The listener that is for operators, probes and the other programs, never for
 * MCP clients: `/healthz`, `/readyz`, `/status`, `/metrics` and whatever a
 * program adds. Decides nothing about health itself.
 *
 * @module
 */

import { type Address, formatAddress } from "./address.ts";
import type { Logger } from "./log.ts";
import { READY_PATH, STATUS_PATH } from "./status.ts";
import type { Metrics } from "./telemetry.ts";
import { errorText } from "./error_text.ts";

/** Whether a program takes traffic. */
export interface Readiness {
  /** True where it does. */
  readonly ready: boolean;
  /** Why not, one phrase each; may also say what is off while it does. */
  readonly reasons: readonly string[];
}

/**
 * Answers a request to one path. `closing` aborts when the listener shuts down, so
 * that a request that waits for news can be answered before.
 */
export type RouteHandler = (
  request: Request,
  closing: AbortSignal,
) => Response | Promise<Response>;

/** What {@linkcode serveInternal} needs. */
export interface InternalServerOptions {
  /** Where to listen; port 0 takes a free one. */
  readonly address: Address;
  /** Option that the address came from, for the error. */
  readonly option?: string;
  /** Facts added to the 200 of `/healthz`. */
  readonly health?: () => Readonly<Record<string, unknown>>;
  /** Asked at each `/readyz`: 200 or 503. */
  readonly ready: () => Readiness;
  /** The document of `/status`. */
  readonly status: () => unknown;
  /** What `/metrics` exposes. */
  readonly metrics: Metrics;
  /** Further paths, exact. */
  readonly routes?: Readonly<Record<string, RouteHandler>>;
  /** Further paths that take a POST instead, exact. */
  readonly posts?: Readonly<Record<string, RouteHandler>>;
  /** Told where the listener ends by itself: out of descriptors, once. */
  readonly onFailed?: (error: unknown) => void;
  /** Log of the program. */
  readonly log: Logger;
  /**
   * Shuts the listener down. Not the signal that starts a drain: probes want
   * to see that the program is not ready while it drains.
   */
  readonly signal?: AbortSignal;
}

/** A running internal listener. */
export interface InternalServer {
  /** Where it listens, port filled in. */
  readonly address: Address;
  /** Answers what is under way, then stops listening. May be called twice. */
  close(): Promise<void>;
}

/**
 * Starts the internal listener and logs its address. Throws an Error that
 * names the address and the option where it cannot listen there.
 */
export function serveInternal(options: InternalServerOptions): InternalServer {
  const closing = new AbortController();
  const routes = new Map<string, RouteHandler>([
    ["/healthz", () => json(200, { status: "ok", ...options.health?.() })],
    [READY_PATH, () => {
      const readiness = options.ready();
      return json(readiness.ready ? 200 : 503, readiness);
    }],
    [STATUS_PATH, () => json(200, options.status())],
    ["/metrics", async () => {
      const { contentType, body } = await options.metrics.expose();
      return respond(200, contentType, body);
    }],
    ...Object.entries(options.routes ?? {}),
  ]);

  const posts = new Map(Object.entries(options.posts ?? {}));
  const server = listen(options, async (request) => {
    const { pathname } = new URL(request.url);
    const handlePost = posts.get(pathname);
    const handle = handlePost ?? routes.get(pathname);
    if (handle === undefined) return json(404, { error: "not found" });
    const allowed = handlePost === undefined ? ["GET", "HEAD"] : ["POST"];
    if (!allowed.includes(request.method)) {
      const refusal = json(405, { error: "method not allowed" });
      refusal.headers.set("allow", allowed.join(", "));
      return refusal;
    }
    try {
      return await handle(request, closing.signal);
    } catch (error) {
      options.log.error("internal request failed", { path: pathname, error });
      return json(500, { error: "internal error" });
    }
  });

  server.finished.catch((error: unknown) => options.onFailed?.(error));
  const address = boundAddress(server.addr);
  options.log.info("listening", {
    listener: "internal",
    address: formatAddress(address),
  });
  const close = () => {
    closing.abort();
    return server.shutdown();
  };
  const onAbort = () => {
    close().catch((error) =>
      options.log.error("internal listener did not close", { error })
    );
  };
  if (options.signal?.aborted) onAbort();
  else options.signal?.addEventListener("abort", onAbort, { once: true });
  return { address, close };
}

function listen(
  options: InternalServerOptions,
  handler: (request: Request) => Promise<Response>,
): Deno.HttpServer<Deno.Addr> {
  const { address } = options;
  const common = {
    onListen: () => {}, // logged by the caller, in the program's own format
    onError: (error: unknown) => {
      options.log.error("internal response failed", { error });
      return json(500, { error: "internal error" });
    },
  };
  try {
    return address.kind === "unix"
      ? Deno.serve({ ...common, path: address.path }, handler)
      : Deno.serve(
        { ...common, hostname: address.host, port: address.port },
        handler,
      );
  } catch (cause) {
    throw new Error(listenProblem(address, options.option, cause), { cause });
  }
}

/**
 * Says why nothing can listen at an address, and which option to change.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { listenProblem } from "./internal_server.ts";
 *
 * assertEquals(
 *   listenProblem(
 *     { kind: "tcp", host: "0.0.0.0", port: 9091 },
 *     "--internal-listen",
 *     new Deno.errors.AddrInUse("Address in use"),
 *   ),
 *   "Cannot listen on 0.0.0.0:9091: port 9091 is taken; choose another with --internal-listen",
 * );
 * ```
 */
export function listenProblem(
  address: Address,
  option: string | undefined,
  cause: unknown,
): string {
  const where = `Cannot listen on ${formatAddress(address)}`;
  const remedy = `choose another with ${option ?? "--internal-listen"}`;
  if (cause instanceof Deno.errors.AddrInUse) {
    return address.kind === "unix"
      ? `${where}: the file is there already; remove it or ${remedy}`
      : `${where}: port ${address.port} is taken; ${remedy}`;
  }
  if (cause instanceof Deno.errors.AddrNotAvailable) {
    return `${where}: this machine does not have that address; ${remedy}`;
  }
  if (
    cause instanceof Deno.errors.PermissionDenied ||
    cause instanceof Deno.errors.NotCapable
  ) {
    return `${where}: not permitted; ${remedy}`;
  }
  const reason = errorText(cause);
  return `${where}: ${reason}; ${remedy}`;
}

function boundAddress(address: Deno.Addr): Address {
  switch (address.transport) {
    case "tcp":
      return { kind: "tcp", host: address.hostname, port: address.port };
    case "unix":
      return { kind: "unix", path: address.path };
    default:
      throw new TypeError(`Cannot name address: its transport is not ours`);
  }
}

function json(status: number, body: unknown): Response {
  return respond(status, "application/json", JSON.stringify(body) + "\n");
}

function respond(status: number, type: string, body: string): Response {
  return new Response(body, {
    status,
    headers: {
      "content-type": type,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    },
  });
}
