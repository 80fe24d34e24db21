/**
 * What the broker shows of itself on its internal listener: readiness, status,
 * metrics and the catalog for routers.
 *
 * @module
 */

import { CATALOG_PATH } from "../shared/catalog.ts";
import type { Readiness, RouteHandler } from "../shared/internal_server.ts";
import type { Status } from "../shared/status.ts";
import type { Metrics } from "../shared/telemetry.ts";
import type { Broker } from "./broker.ts";
import { serveCatalog } from "./catalog/serve.ts";

/** The broker's part of an internal listener. */
export interface InternalPages {
  /** Whether the broker takes traffic, and why not. */
  readonly ready: () => Readiness;
  /** The status document. */
  readonly status: () => Status;
  /** Further paths. */
  readonly routes: Readonly<Record<string, RouteHandler>>;
}

/** What the pages are made from. */
export interface InternalOptions {
  /** The broker. */
  readonly broker: Broker;
  /** Problems of the configuration file, one line each. */
  readonly configProblems: () => readonly string[];
  /** Aborts when the program takes nothing new. */
  readonly draining: AbortSignal;
}

/** Makes the pages. */
export function internalPages(options: InternalOptions): InternalPages {
  const { broker, configProblems, draining } = options;
  const ready = (): Readiness => {
    const reasons = [
      ...(draining.aborted ? ["draining"] : []),
      ...(broker.catalog.state === undefined
        ? ["no valid configuration yet"]
        : broker.settled
        ? []
        : ["servers are being asked for the first time"]),
    ];
    return { ready: reasons.length === 0, reasons };
  };
  return {
    ready,
    status: () => broker.status(configProblems(), ready().ready),
    routes: {
      [CATALOG_PATH]: (request, closing) =>
        serveCatalog(
          request,
          broker.catalog,
          () => broker.settled,
          AbortSignal.any([closing, draining]),
        ),
    },
  };
}

/** Adds the broker's metrics. */
export function addBrokerMetrics(
  metrics: Metrics,
  broker: Broker,
  countSessions: () => Promise<number>,
): void {
  const servers = metrics.gauge(
    "mcp_gateway_servers",
    "Configured MCP servers, by state.",
    ["state"],
  );
  const tools = metrics.gauge(
    "mcp_gateway_tools",
    "Tools that clients see, by server.",
    ["server"],
  );
  const streams = metrics.gauge(
    "mcp_gateway_client_streams",
    "Notification streams open to clients.",
  );
  const sessions = metrics.gauge(
    "mcp_gateway_sessions",
    "Live client sessions, in all processes that share the store.",
  );
  metrics.onExpose(async () => {
    servers.clear();
    tools.clear();
    for (const server of broker.status([], true).servers) {
      servers.labels({ state: server.state }).inc();
      tools.labels({ server: server.name }).set(server.tools);
    }
    streams.set(broker.hub.count);
    sessions.set(await countSessions());
  });
}
