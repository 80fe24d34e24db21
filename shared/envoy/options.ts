/**
 * What the generated Envoy configuration depends on besides the servers: where
 * things listen, and limits.
 *
 * @module
 */

import type { ListenerTls } from "./tls.ts";

/** Where something listens or is reached. */
export type Endpoint =
  /** A TCP port of a host; the host is an IP address or a DNS name. */
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** A unix socket, by absolute path. */
  | { readonly kind: "unix"; readonly path: string };

/** What Envoy does with a request header whose name has an underscore. */
export type UnderscoreHeaders = "ALLOW" | "REJECT_REQUEST" | "DROP_HEADER";

/** Everything that is not in the gateway's configuration file. */
export interface EnvoyOptions {
  /** Where clients connect. */
  readonly listen: Endpoint;
  /** One public listener per broker process. */
  readonly brokers: readonly Endpoint[];
  /** One endpoint per router process. */
  readonly routers: readonly Endpoint[];
  /**
   * Routers may come and go while Envoy runs: where they are is in a file that
   * it watches. Not for routers that are named, which DNS finds. Default false.
   */
  readonly routersChange: boolean;
  /** Path that MCP is served at. Default `/mcp`. */
  readonly path: string;
  /** How the router names a destination. Default `hostname`. */
  readonly steering: "hostname" | "header";
  /** Largest request body in bytes. Default 4 MiB. */
  readonly maxBodyBytes: number;
  /**
   * Underscore forms of internal headers. Default `ALLOW`: the router removes
   * the underscore forms of the gateway's own headers itself, and a server may
   * have a header of such a name (`api_key`) that its users need. At an edge
   * where none does, `REJECT_REQUEST` is one defence more.
   */
  readonly underscoreHeaders: UnderscoreHeaders;
  /** Seconds without a byte either way after which a stream is ended. Default 300. */
  readonly streamIdleSeconds: number;
  /**
   * The same for a call on its way to a server, which may be silent for as long
   * as a person takes to answer its question. Default 3,600.
   */
  readonly callIdleSeconds: number;
  /**
   * Seconds between two questions whether a router or broker takes calls, where
   * there are several of them. Default 1. Programs that are told to stop go on
   * for longer than that.
   */
  readonly healthCheckSeconds: number;
  /** Concurrent HTTP/2 streams per client connection. Default 100. */
  readonly maxStreams: number;
  /** Client connections in all. Default 10,000. */
  readonly maxConnections: number;
  /** Bytes of heap at which Envoy sheds load. Default 1 GiB. */
  readonly maxHeapBytes: number;
  /**
   * Absolute path of a file for access log lines in JSON, or `stdout`; none by
   * default.
   */
  readonly accessLog?: string;
  /** Certificate of the listener; plain HTTP by default. */
  readonly tls?: ListenerTls;
  /**
   * Beginnings of the paths that Envoy's admin interface serves; all of them by
   * default, `/quitquitquit` too.
   */
  readonly adminPaths?: readonly string[];
  /** PEM bundle that https servers without a CA of their own are checked against. */
  readonly systemCa: string;
  /**
   * PEM text by server name, for servers with a CA of their own: read before,
   * as the generator reads nothing.
   */
  readonly caCerts: ReadonlyMap<string, string>;
}

/** The options that have no default. */
export type RequiredEnvoyOptions = Pick<
  EnvoyOptions,
  "listen" | "brokers" | "routers"
>;

/** Fills in the defaults. */
export function envoyOptions(
  given: RequiredEnvoyOptions & Partial<EnvoyOptions>,
): EnvoyOptions {
  return {
    routersChange: false,
    path: "/mcp",
    steering: "hostname",
    maxBodyBytes: 4 * 1024 * 1024,
    underscoreHeaders: "ALLOW",
    streamIdleSeconds: 300,
    callIdleSeconds: 3_600,
    healthCheckSeconds: 1,
    maxStreams: 100,
    maxConnections: 10_000,
    maxHeapBytes: 1024 * 1024 * 1024,
    systemCa: "/etc/ssl/certs/ca-certificates.crt",
    caCerts: new Map(),
    ...given,
  };
}
