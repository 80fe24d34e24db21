/**
 * Values that the router's tests start from.
 *
 * @module
 */

import { assert } from "@std/assert";
import { config, server, SILENT } from "../shared/_testing.ts";
import { GatewayError } from "../shared/errors.ts";
import { RouteTable } from "../shared/routing/route_table.ts";
import type { ClientSession } from "../shared/sessions/sessions.ts";
import type { Answer, Continue, HeaderEntry, Reply } from "./answer.ts";
import { createCallsInFlight } from "./calls_in_flight.ts";
import { Exchange } from "./exchange.ts";
import type { ExchangePorts } from "./exchange_ports.ts";

/** A live session of a client that declared nothing. */
export const session: ClientSession = {
  id: "client-1",
  identity: "ada",
  route: "/mcp",
  revision: "2025-11-25",
  capabilities: {},
  issuedAt: 0,
  expiresAt: 1,
};

const utf8 = new TextEncoder();

/** Ports in memory, and what was done through them. */
export interface World {
  /** The ports. */
  readonly ports: ExchangePorts;
  /** Servers that a session was opened with. */
  readonly opened: readonly string[];
  /** Ids of sessions that were forgotten. */
  readonly forgotten: readonly (string | undefined)[];
  /** Calls that were run again. */
  readonly ran: readonly {
    readonly body: string;
    readonly session: string | undefined;
  }[];
  /** `+SERVER URI`, or `-SERVER URI`. */
  readonly subscribed: readonly string[];
}

/** Makes ports: one live session, servers that number their sessions. */
export function world(changes: Partial<ExchangePorts> = {}): World {
  const opened: string[] = [];
  const forgotten: (string | undefined)[] = [];
  const ran: { body: string; session: string | undefined }[] = [];
  const subscribed: string[] = [];
  const table = new RouteTable(
    config([
      server("weather", {
        prefix: "weather_",
        url: "http://w.test/api/mcp?k=1",
      }),
      server("open", { prefix: "open_", passthrough: true }),
    ], [{ name: "team/travel", tools: ["weather_now"], prompts: [] }]),
    undefined,
  );
  const ports: ExchangePorts = {
    table: () => table,
    settings: {
      path: "/mcp",
      maxBodyBytes: 1000,
      steering: "hostname",
      allowedOrigins: [],
      allowedHosts: [],
      identityHeader: undefined,
    },
    identify: () => "ada",
    signCaller: (caller) => JSON.stringify(caller),
    verify: (token) =>
      token === "live" ? Promise.resolve(session) : Promise.reject(
        new GatewayError({
          kind: token === undefined ? "session missing" : "session unknown",
        }),
      ),
    deadline: () => ({ left: () => 1000 }),
    open: (_session, server) => {
      opened.push(server.name);
      return Promise.resolve({
        id: `${server.name}-${opened.length}`,
        revision: "2025-06-18",
      });
    },
    forget: (_session, _server, backend) => {
      forgotten.push(backend.id);
      return Promise.resolve();
    },
    knows: () => Promise.resolve(true),
    callHeaders: () => Promise.resolve([]),
    backendWith: (_session, { name }) =>
      Promise.resolve(
        name === "weather"
          ? { id: "weather-0", revision: "2025-06-18" }
          : undefined,
      ),
    subscribe: (_session, { name }, uri) => {
      subscribed.push(`+${name} ${uri}`);
      return Promise.resolve();
    },
    unsubscribe: (_session, { name }, uri) => {
      subscribed.push(`-${name} ${uri}`);
      return Promise.resolve();
    },
    mayLetGo: () => true,
    run: (call, _session, backend) => {
      ran.push({
        body: new TextDecoder().decode(call.body),
        session: backend.id,
      });
      return Promise.resolve({
        status: 200,
        headers: [["content-type", "application/json"]],
        body: utf8.encode("answer"),
      });
    },
    calls: createCallsInFlight(1),
    relays: createCallsInFlight(1),
    log: SILENT,
    ...changes,
  };
  return { ports, opened, forgotten, ran, subscribed };
}

/** Begins an exchange. */
export async function start(
  ports: ExchangePorts,
  method: string,
  headers: readonly HeaderEntry[] = [],
  path = "/mcp",
): Promise<{ exchange: Exchange; answer: Answer }> {
  const exchange = new Exchange(ports);
  const answer = await exchange.requestHeaders({
    headers: [
      [":method", method],
      [":path", path],
      [":authority", "gateway.example"],
      ...(method === "POST"
        ? [["content-type", "application/json"] as const]
        : []),
      ...headers,
    ],
    endOfStream: method !== "POST",
  });
  return { exchange, answer };
}

/** Sends a message in the live session. */
export async function post(
  ports: ExchangePorts,
  body: string,
  headers: readonly HeaderEntry[] = [["mcp-session-id", "live"]],
  path?: string,
): Promise<{ exchange: Exchange; answer: Promise<Answer> }> {
  const { exchange } = await start(ports, "POST", headers, path);
  return { exchange, answer: exchange.requestBody(utf8.encode(body)) };
}

/** What goes on. @throws Where it does not. */
export function continued(answer: Answer): Continue {
  assert(answer.kind === "continue", JSON.stringify(answer));
  return answer;
}

/** The router's own reply. @throws Where there is none. */
export function replied(answer: Answer): Reply {
  assert(answer.kind === "reply", JSON.stringify(answer));
  return answer;
}

/** A header that is set. */
export function header(answer: Answer, name: string): string | undefined {
  return continued(answer).headers?.set.find(([n]) => n === name)?.[1];
}
