/**
 * The broker's public side in tests, without servers and sockets.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { randomBytes } from "node:crypto";
import type {
  GatewayConfig,
  VirtualServerConfig,
} from "../../shared/config/model.ts";
import { META } from "../../shared/mcp.ts";
import { KeyRing } from "../../shared/sessions/keys.ts";
import { MemoryStore } from "../../shared/sessions/memory_store.ts";
import { type OpenBackend, Sessions } from "../../shared/sessions/sessions.ts";
import {
  config as gatewayConfig,
  server as serverConfig,
} from "../../shared/_testing.ts";
import { itemsOf, toolBytes } from "./tools.ts";
import { type Recorder, recorder } from "./recorder.ts";
import { ANSWER_PATIENCE } from "../batches/call_answer.ts";
import type { BatchGateway } from "../batches/gateway_calls.ts";
import { CurrentCatalog } from "../catalog/current_catalog.ts";
import type { ToSession, ToStateless } from "../era_bridge/bridged_call.ts";
import type { PageLimits } from "../catalog/listing.ts";
import { mergeCatalog, type MergedItem } from "../catalog/merge.ts";
import type { ViewChanges } from "../catalog/views.ts";
import { brokerHandler, type Handler } from "../handler.ts";
import { LIMITS } from "../../shared/limits.ts";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import { Hub } from "../notifications/hub.ts";
import type { MessageSource } from "../../shared/relay/routed_id.ts";
import type { Relayed } from "../relay/relay.ts";
import {
  sessionEraEndpoint,
  type SessionEraOptions,
} from "../session_era/endpoint.ts";
import { statelessEraEndpoint } from "../stateless_era/endpoint.ts";
import { Listens } from "../listens/listens.ts";
import type { Watches } from "../listens/watch_for_listen.ts";
import { listAnswers, type OwnItems } from "../lists/list_answers.ts";

/** Shows one tool of one server. */
export const VIRTUAL: readonly VirtualServerConfig[] = [
  { name: "team/v", tools: ["w_now"], prompts: [] },
];
/** Two servers. */
export const CONFIG: GatewayConfig = gatewayConfig([
  serverConfig("weather", { prefix: "w_" }),
  serverConfig("plain"),
], VIRTUAL);

/** A message that was passed on. */
export interface Relaying {
  readonly to: "all" | MessageSource;
  readonly authorization: string | undefined;
  readonly text: string;
  /** Servers that would get it, of those configured. */
  readonly servers: string;
}

/** What goes between the eras. */
export interface Bridges {
  readonly toStateless?: ToStateless;
  readonly toSession?: ToSession;
  readonly watches?: Watches;
  readonly hear?: SessionEraOptions["hear"];
}

/** A broker's public side, without servers: their lists are put in by hand. */
export class Front {
  readonly keys = new KeyRing(randomBytes(32));
  readonly store = new MemoryStore();
  readonly catalog: CurrentCatalog;
  readonly log: Recorder = recorder();
  readonly hub = new Hub({
    limits: { ...LIMITS, streamsPerSession: 2 },
    instance: "ab",
    digestOf: (view) => this.catalog.state?.views.get(view)?.digest,
  });
  readonly listens = new Listens({
    limits: { ...LIMITS, listensPerIdentity: 2 },
    serverMeta: { v: 1 },
  });
  readonly ended: OpenBackend[] = [];
  /** Sessions that clients ended. */
  readonly gone: string[] = [];
  /** Sessions whose servers' streams are to be held. */
  readonly held: { session: string; authorization: string | undefined }[] = [];
  /** Sessions that are told again what they may have missed of servers. */
  readonly retold: string[] = [];
  /** What was passed on to servers: to which, by whom, the message. */
  readonly relayed: Relaying[] = [];
  readonly sessions = new Sessions({
    store: this.store,
    keys: this.keys,
    now: Date.now,
    randomBytes,
    log: this.log,
  });
  #bridges: Bridges = {};
  /** What only callers with a credential see, by their credential. */
  readonly ownTools = new Map<string, readonly MergedItem[]>();
  handler: Handler;

  /** Lists what the servers of a configuration have; null for none yet. */
  constructor(config: GatewayConfig | null = CONFIG, pages?: PageLimits) {
    this.catalog = new CurrentCatalog(pages);
    this.handler = this.#handler();
    if (config !== null) this.list(config, ["now", "__proto__"]);
  }

  /** From now on has bridges between the eras. */
  bridge(bridges: Bridges): void {
    this.#bridges = bridges;
    this.handler = this.#handler();
  }

  #handler(gateway?: BatchGateway): Handler {
    const ownItems: OwnItems = (kind, { authorization = "" }) =>
      Promise.resolve(
        kind === "tools" ? this.ownTools.get(authorization) ?? [] : [],
      );
    const lists = listAnswers(this.keys, ownItems);
    return brokerHandler({
      origins: { allowedOrigins: [], allowedHosts: [] },
      callers: { keys: this.keys, path: "/mcp" },
      sessionEra: sessionEraEndpoint({
        sessions: this.sessions,
        catalog: this.catalog,
        lists,
        hub: this.hub,
        held: {
          hold: (session, authorization) => {
            this.held.push({ session: session.id, authorization });
            return Promise.resolve();
          },
          retell: (session) => {
            this.retold.push(session.id);
            return Promise.resolve();
          },
        },
        relay: {
          send: (relayed) => this.#relay("all", relayed),
          sendTo: (target, relayed) => this.#relay(target, relayed),
          ask: (relayed) => this.#relay("all", relayed),
        },
        gateway,
        toStateless: this.#bridges.toStateless,
        hear: this.#bridges.hear,
        logs: (server) => server === "weather",
        version: "1",
        log: this.log,
        endBackends: (backends) => void this.ended.push(...backends),
        onEnded: (session) => void this.gone.push(session),
      }),
      statelessEra: statelessEraEndpoint({
        catalog: this.catalog,
        lists,
        listens: this.listens,
        watches: this.#bridges.watches,
        wait: waitOnTimer,
        log: this.log,
        ownItems,
        path: "/mcp",
        version: "1",
        toSession: this.#bridges.toSession,
      }),
      maxBodyBytes: 2_100,
      now: Date.now,
      log: this.log,
    });
  }

  /** From now on sends the calls in a batch to a gateway. */
  sendCalls(
    fetch: (url: string, init: RequestInit) => Promise<Response>,
  ): void {
    this.handler = this.#handler({
      url: new URL("http://envoy.test:1"),
      fetch,
      settings: {
        ...ANSWER_PATIENCE,
        answerBytes: 10_000,
        callsAtOnce: 2,
        keepAliveMs: 60_000,
        wait: waitOnTimer,
        log: this.log,
      },
    });
  }

  #relay(
    to: "all" | MessageSource,
    { bytes, authorization, to: accepts = () => true }: Relayed,
  ): Promise<void> {
    const servers = CONFIG.servers.filter((server) =>
      accepts({
        server,
        session: { revision: "2025-11-25" },
        source: { server: server.name, tag: "" },
      })
    );
    this.relayed.push({
      to,
      authorization,
      text: new TextDecoder().decode(bytes),
      servers: servers.map(({ name }) => name).join(),
    });
    return Promise.resolve();
  }

  list(config: GatewayConfig, names: readonly string[]): ViewChanges {
    const lists = [
      {
        server: "weather",
        listed: true,
        pending: false,
        items: {
          ...itemsOf({ prompts: [{ name: "ask" }] }),
          tools: names.map((name) => toolBytes(name, { x: 1 })),
        },
      },
      {
        server: "plain",
        listed: true,
        pending: false,
        items: {
          ...itemsOf({
            prompts: [{ name: "greet" }],
            resources: [{ uri: "notes://1", name: "one" }],
            templates: [{ uriTemplate: "notes://{id}/text", name: "text" }],
          }),
          tools: [toolBytes("echo")],
        },
      },
    ];
    return this.catalog.replace(config, mergeCatalog(config, lists));
  }

  request(
    method: string,
    options: {
      body?: string;
      path?: string;
      session?: string | undefined;
      headers?: Readonly<Record<string, string>>;
      drop?: readonly string[];
    } = {},
  ): Promise<Response> {
    const { body, path = "/mcp", session, headers = {}, drop = [] } = options;
    const all = new Headers({
      accept: "application/json, text/event-stream",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(session === undefined ? {} : { "mcp-session-id": session }),
      ...headers,
    });
    for (const name of drop) all.delete(name);
    return this.handler(
      new Request(`http://gw.test${path}`, {
        method,
        headers: all,
        ...(body === undefined ? {} : { body }),
      }),
    );
  }

  post(
    body: string,
    session?: string,
    headers: Readonly<Record<string, string>> = {},
    path = "/mcp",
  ): Promise<Response> {
    return this.request("POST", { body, session, headers, path });
  }

  async initialize(
    revision = "2025-11-25",
    headers: Readonly<Record<string, string>> = {},
    path = "/mcp",
  ): Promise<string> {
    const response = await this.post(
      initializeText(revision),
      undefined,
      headers,
      path,
    );
    assertEquals(response.status, 200);
    await response.body?.cancel();
    return response.headers.get("mcp-session-id")!;
  }

  [Symbol.dispose](): void {
    this.hub.endAll();
    this.listens.endAll();
  }
}

/** An InitializeRequest. */
export function initializeText(revision: string, id = "1"): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"initialize","params":{"protocolVersion":"${revision}","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`;
}

/** Any request. */
export function call(method: string, params?: string, id = "1"): string {
  return `{"jsonrpc":"2.0","id":${id},"method":"${method}"${
    params === undefined ? "" : `,"params":${params}`
  }}`;
}

/** What follows it. */
export const INITIALIZED: string =
  '{"jsonrpc":"2.0","method":"notifications/initialized"}';

/** A request of the stateless era, and the headers that belong to it. */
export function enveloped(
  method: string,
  params: Readonly<Record<string, unknown>> = {},
  revision = "2026-07-28",
): { body: string; headers: Record<string, string> } {
  const name = params["name"] ?? params["uri"];
  return {
    body: JSON.stringify({
      jsonrpc: "2.0",
      id: "m1",
      method,
      params: {
        ...params,
        _meta: {
          [META.protocolVersion]: revision,
          [META.clientCapabilities]: {},
        },
      },
    }),
    headers: {
      "mcp-protocol-version": revision,
      "mcp-method": method,
      ...(typeof name === "string" ? { "mcp-name": name } : {}),
    },
  };
}
