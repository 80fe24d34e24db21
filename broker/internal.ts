/**
 * What the broker shows of itself on its internal listener: readiness, status,
 * metrics and the catalog for routers.
 *
 * @module
 */

import { CATALOG_PATH } from "../shared/catalog.ts";
import { HELD_STREAMS_PATH } from "../shared/held_streams.ts";
import type { Readiness, RouteHandler } from "../shared/internal_server.ts";
import type { BridgeStatus, Status } from "../shared/status.ts";
import type { Metrics } from "../shared/telemetry.ts";
import type { Broker } from "./broker.ts";
import { serveCatalog } from "./catalog/serve.ts";
import { FORWARDED_PATH } from "./era_bridge/owner.ts";
import type { HeldStreams } from "./held_streams/held_streams.ts";
import { LATE_NEWS_PATH, type LateNews } from "./notifications/late_news.ts";
import { serveHint } from "./held_streams/hint.ts";

/** The broker's part of an internal listener. */
export interface InternalPages {
  /** Whether the broker takes traffic, and why not. */
  readonly ready: () => Readiness;
  /** The status document. */
  readonly status: () => Status;
  /** Further paths. */
  readonly routes: Readonly<Record<string, RouteHandler>>;
  /** Paths that take a POST. */
  readonly posts: Readonly<Record<string, RouteHandler>>;
}

/** What the pages are made from. */
export interface InternalOptions {
  /** The broker. */
  readonly broker: Broker;
  /** Streams of servers. */
  readonly held: Pick<HeldStreams, "opened">;
  /** Takes news of lists from other brokers. */
  readonly lateNews: Pick<LateNews, "serve">;
  /** Takes requests that other brokers pass on. */
  readonly forwarded: RouteHandler;
  /** What is translated between the eras; not told unless given. */
  readonly bridge?: () => BridgeStatus;
  /** Problems of the configuration file, one line each. */
  readonly configProblems: () => readonly string[];
  /** Aborts when the program takes nothing new. */
  readonly draining: AbortSignal;
}

/** Makes the pages. */
export function internalPages(options: InternalOptions): InternalPages {
  const {
    broker,
    held,
    lateNews,
    forwarded,
    bridge,
    configProblems,
    draining,
  } = options;
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
    status: () => ({
      ...broker.status(configProblems(), ready().ready),
      ...(bridge === undefined ? {} : { bridge: bridge() }),
    }),
    routes: {
      [CATALOG_PATH]: (request, closing) =>
        serveCatalog(
          request,
          broker.catalog,
          () => broker.settled,
          // Not `draining`: a router that is answered asks again at once.
          closing,
        ),
    },
    posts: {
      [HELD_STREAMS_PATH]: (request) => serveHint(request, held),
      [LATE_NEWS_PATH]: (request) => lateNews.serve(request),
      [FORWARDED_PATH]: forwarded,
    },
  };
}

/** Adds the broker's metrics. */
export function addBrokerMetrics(
  metrics: Metrics,
  broker: Broker,
  held: Pick<HeldStreams, "counts">,
  countSessions: () => Promise<number>,
): void {
  const servers = metrics.gauge(
    "mcp_gateway_servers",
    "Configured MCP servers, by state and the era they speak.",
    ["state", "era"],
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
  const waiting = metrics.gauge(
    "mcp_gateway_client_streams_waiting",
    "Notification streams whose clients lost their connection and may come back.",
  );
  const kept = metrics.gauge(
    "mcp_gateway_client_stream_bytes",
    "Bytes of events kept for clients that come back.",
  );
  const messages = metrics.counter(
    "mcp_gateway_client_stream_messages_total",
    "Messages put on clients' notification streams.",
  );
  const listens = metrics.gauge(
    "mcp_gateway_listens",
    "subscriptions/listen streams open to clients of the stateless era.",
  );
  const listenMessages = metrics.counter(
    "mcp_gateway_listen_messages_total",
    "Messages put on subscriptions/listen streams.",
  );
  const listenedResources = metrics.gauge(
    "mcp_gateway_listened_resources",
    "Resources that open subscriptions/listen streams tell of, each stream by itself.",
  );
  const heldStreams = metrics.gauge(
    "mcp_gateway_held_streams",
    "Streams of servers held for clients that listen, by state.",
    ["state"],
  );
  const sessions = metrics.gauge(
    "mcp_gateway_sessions",
    "Live client sessions, in all processes that share the store.",
  );
  let counted = 0;
  let countedOfListens = 0;
  metrics.onExpose(async () => {
    servers.clear();
    tools.clear();
    for (const server of broker.status([], true).servers) {
      const { state, era = "unknown" } = server;
      servers.labels({ state, era }).inc();
      tools.labels({ server: server.name }).set(server.tools);
    }
    streams.set(broker.hub.count);
    waiting.set(broker.hub.waiting);
    kept.set(broker.hub.ringBytes);
    messages.inc(broker.hub.messages - counted);
    counted = broker.hub.messages;
    listens.set(broker.listens.count);
    listenedResources.set(broker.listens.resources);
    listenMessages.inc(broker.listens.messages - countedOfListens);
    countedOfListens = broker.listens.messages;
    const { opening, open, absent } = held.counts;
    for (const [state, count] of Object.entries({ opening, open, absent })) {
      heldStreams.labels({ state }).set(count);
    }
    sessions.set(await countSessions());
  });
}
