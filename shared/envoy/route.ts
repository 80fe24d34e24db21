/**
 * Envoy routes: `/mcp` to the broker, and per server one route that only a
 * request the router has steered can match. Pure.
 *
 * @module
 */

import type { GatewayConfig, ServerConfig } from "../config/model.ts";
import {
  CALLER_HEADER,
  DESTINATION_HEADER,
  UPSTREAM_HEADER,
} from "../headers.ts";
import { BROKER_CLUSTER, serverClusterName } from "./cluster.ts";
import type { JsonObject } from "./json.ts";
import { seconds } from "./json.ts";
import type { EnvoyOptions } from "./options.ts";
import { retryElsewhere } from "./retry.ts";

/** Name of the route configuration. */
export const ROUTE_CONFIG = "mcp";

/**
 * Client headers that no server gets: the gateway's own session with the
 * browser or proxy is nobody else's, and a server behind us would judge the
 * origin of a page that it never served.
 */
export const NEVER_FORWARDED: readonly string[] = [
  "cookie",
  "origin",
  "proxy-authorization",
  CALLER_HEADER,
  UPSTREAM_HEADER,
];

/** Tells whether the router sets `authorization` on calls to a server. */
function setsAuthorization(server: ServerConfig): boolean {
  return server.credentialFor.includes("calls") &&
    server.headers.some((header) => header.name === "authorization");
}

/** Headers removed from a request before it reaches a server. */
function removedHeaders(server: ServerConfig): readonly string[] {
  // The specification forbids passing a client's token through; a server's
  // own credential is set by the router before, hence must stay.
  return server.passthrough || setsAuthorization(server)
    ? NEVER_FORWARDED
    : ["authorization", ...NEVER_FORWARDED];
}

/** No end to a call or stream but by silence; no server is sent anything twice. */
function timeouts(idleSeconds: number): JsonObject {
  return { timeout: seconds(0), idle_timeout: seconds(idleSeconds) };
}

/** Matches one path and everything below it, but not `/mcpx`. */
function pathMatch(path: string): JsonObject {
  const trimmed = path.replace(/\/+$/, "");
  return trimmed === "" ? { prefix: "/" } : { path_separated_prefix: trimmed };
}

/** A server and the cluster that its requests go to. */
export interface RoutedServer {
  /** The server. */
  readonly server: ServerConfig;
  /** Name of its cluster. */
  readonly cluster: string;
}

/** Pairs each enabled server with its cluster. */
export function routedServers(
  config: GatewayConfig,
  options: EnvoyOptions,
): readonly RoutedServer[] {
  return config.servers
    .filter((server) => server.state === "Enabled")
    .map((server) => ({ server, cluster: serverClusterName(server, options) }));
}

/**
 * Joins what is routed now with what was routed before, for the time in which
 * a router may still steer by either: the new one wins where both have the
 * same name at the same hostname.
 */
export function joinRouted(
  before: readonly RoutedServer[],
  now: readonly RoutedServer[],
): readonly RoutedServer[] {
  const key = ({ server }: RoutedServer) =>
    `${server.hostname} ${server.name} ${server.fingerprint}`;
  const taken = new Set(now.map(key));
  return [...now, ...before.filter((routed) => !taken.has(key(routed)))];
}

function serverRoute(
  { server, cluster }: RoutedServer,
  options: EnvoyOptions,
): JsonObject {
  return {
    name: `server ${server.name}`,
    match: {
      prefix: "/",
      headers: [
        exactly(DESTINATION_HEADER, server.name),
        // A server that has moved has two routes for a moment: each call goes
        // to the address that its session and its credential are for.
        exactly(UPSTREAM_HEADER, server.fingerprint),
      ],
    },
    route: {
      cluster,
      // Not :authority, by which the router steers: what the server's own URL says.
      host_rewrite_literal: new URL(server.url).host,
      ...timeouts(options.callIdleSeconds),
    },
    request_headers_to_remove: removedHeaders(server),
  };
}

function exactly(name: string, value: string): JsonObject {
  return { name, string_match: { exact: value } };
}

function brokerRoute(options: EnvoyOptions): JsonObject {
  return {
    name: "broker",
    match: pathMatch(options.path),
    route: {
      cluster: BROKER_CLUSTER,
      ...timeouts(options.streamIdleSeconds),
      ...(options.brokers.length > 1 ? { retry_policy: retryElsewhere() } : {}),
    },
  };
}

/**
 * Generates the route configuration.
 *
 * | virtual host | route | to |
 * |---|---|---|
 * | a server's hostname | `x-destination-mcp` is its name, `x-mcp-upstream` its state | the server |
 * | `*`, steering by header only | `x-destination-mcp` is its name, `x-mcp-upstream` its state | the server |
 * | `*` | path is `/mcp` or below | the broker |
 * | any | else | 404, as JSON by the listener's local replies |
 *
 * A client that asks for a server's hostname itself gets nowhere: the router
 * removes its `x-destination-mcp`.
 */
export function routeConfiguration(
  servers: readonly RoutedServer[],
  options: EnvoyOptions,
): JsonObject {
  const byHostname = Map.groupBy(servers, ({ server }) => server.hostname);
  const routes = (routed: readonly RoutedServer[]) =>
    routed.map((one) => serverRoute(one, options));
  return {
    name: ROUTE_CONFIG,
    virtual_hosts: [
      ...[...byHostname].map(([hostname, routed]) => ({
        name: `host ${hostname}`,
        domains: [hostname, `${hostname}:*`],
        routes: routes(routed),
      })),
      {
        name: "gateway",
        domains: ["*"],
        routes: [
          ...(options.steering === "header" ? routes(servers) : []),
          brokerRoute(options),
        ],
      },
    ],
  };
}
