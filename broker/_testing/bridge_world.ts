/**
 * Brokers that translate for clients of the stateless era, in front of a
 * server of the session era: public side, bridge and internal listener, as one
 * gateway with one key.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import {
  config as gatewayConfig,
  server as serverConfig,
} from "../../shared/_testing.ts";
import type { ServerConfig } from "../../shared/config/model.ts";
import { LIMITS } from "../../shared/limits.ts";
import { META } from "../../shared/mcp.ts";
import { KeyRing } from "../../shared/sessions/keys.ts";
import { readEvents } from "../../shared/sse/read_events.ts";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import { CurrentCatalog } from "../catalog/current_catalog.ts";
import { mergeCatalog } from "../catalog/merge.ts";
import { FORWARDED_PATH, serveForwarded } from "../era_bridge/owner.ts";
import {
  ToSessionBridge,
  type ToSessionLimits,
  type ToSessionOptions,
} from "../era_bridge/to_session/to_session.ts";
import type { ParkedOutcome } from "../era_bridge/to_session/open_calls.ts";
import { Listens } from "../listens/listens.ts";
import { listAnswers } from "../lists/list_answers.ts";
import { brokerHandler, type Handler } from "../handler.ts";
import { REOPENING } from "../held_streams/held_stream.ts";
import { statelessEraEndpoint } from "../stateless_era/endpoint.ts";
import { type Recorder, recorder } from "./recorder.ts";
import { itemsOf, toolBytes } from "./tools.ts";

/** How a world differs from the usual one. */
export interface BridgeWorldOptions {
  /** Where the server is. */
  readonly url: string;
  /** Names of the tools that it lists. */
  readonly tools: readonly string[];
  /** Limits that differ. */
  readonly limits?: Partial<ToSessionLimits>;
  /** How the server's configuration differs. */
  readonly server?: Partial<ServerConfig>;
  /** Whether sessions outlive calls. */
  readonly mode?: ToSessionOptions["mode"];
  /** Whether other brokers can reach its brokers. Default true. */
  readonly reachable?: boolean;
}

/** One broker. */
export interface Replica extends AsyncDisposable {
  /** Its public side. */
  readonly handler: Handler;
  /** Its bridge. */
  readonly bridge: ToSessionBridge;
  /** What became of parked calls. */
  readonly unparked: ParkedOutcome[];
  /** Ends it without a word, as a crash does: nothing is told anybody. */
  kill(): Promise<void>;
}

/** A request of a client. */
export interface StatelessRequest {
  /** Method; `tools/call` unless given. */
  readonly method?: string;
  /** Parameters, without `_meta`. */
  readonly params: Readonly<Record<string, unknown>>;
  /** What the client can be asked. */
  readonly capabilities?: Readonly<Record<string, unknown>>;
  /** Its id. */
  readonly id?: string | number;
  /** Who it is: a bearer token. Anonymous unless given. */
  readonly token?: string;
  /** More of `_meta`. */
  readonly meta?: Readonly<Record<string, unknown>>;
  /** Aborts when the client leaves. */
  readonly signal?: AbortSignal;
}

/** An answer, read to its end. */
export interface Answered {
  /** HTTP status. */
  readonly status: number;
  /** Messages before the answer. */
  readonly before: readonly Record<string, unknown>[];
  /** The answer. */
  // deno-lint-ignore no-explicit-any -- tests look into it as they like
  readonly answer: any;
  /** Whether it came as an event stream. */
  readonly streamed: boolean;
}

/** A gateway of several brokers. */
export class BridgeWorld implements AsyncDisposable {
  /** What was logged. */
  readonly log: Recorder = recorder();
  readonly #keys = new KeyRing(randomBytes(32));
  readonly #options: BridgeWorldOptions;
  readonly #replicas = new Set<Replica>();

  /** Begins without brokers. */
  constructor(options: BridgeWorldOptions) {
    this.#options = options;
  }

  /** The server as it is configured. */
  get server(): ServerConfig {
    return serverConfig("asking", {
      url: this.#options.url,
      prefix: "a_",
      era: "session",
      ...this.#options.server,
    });
  }

  /**
   * Starts a broker.
   *
   * @param port Port of its internal listener; a free one by default.
   * @param given How its bridge differs.
   */
  start(port = 0, given: Partial<ToSessionOptions> = {}): Replica {
    const { log } = this;
    const keys = this.#keys;
    const { mode = "principal", limits, reachable = true } = this.#options;
    const catalog = this.#catalog();
    const life = new AbortController();
    const dead = new AbortController();
    const internal = Deno.serve(
      { hostname: "127.0.0.1", port, signal: life.signal, onListen: () => {} },
      (request) =>
        new URL(request.url).pathname === FORWARDED_PATH
          ? serveForwarded(request, (own) => handler(own), keys, Date.now())
          : new Response(null, { status: 404 }),
    );
    const url = `http://127.0.0.1:${internal.addr.port}`;
    const unparked: ParkedOutcome[] = [];
    const bridge = new ToSessionBridge({
      keys,
      randomBytes,
      here: {
        broker: randomBytes(6).toString("hex"),
        ...(reachable ? { url } : {}),
      },
      mode,
      limits: { ...LIMITS, ...limits },
      clientInfo: { name: "mcp-gateway", version: "0" },
      fetch: ({ url }, init) => {
        const signals = [dead.signal, ...(init.signal ? [init.signal] : [])];
        return fetch(url, { ...init, signal: AbortSignal.any(signals) });
      },
      headers: () => Promise.resolve([]),
      fetchBroker: (url, init) => fetch(url, init),
      pingMs: 5_000,
      reopening: { ...REOPENING, backoffMs: 10, reopenMs: 10 },
      wait: waitOnTimer,
      random: Math.random,
      now: () => performance.now(),
      epoch: Date.now,
      onUnparked: (outcome) => void unparked.push(outcome),
      log,
      ...given,
    });
    const never = () => Promise.reject(new Error("no session-era clients"));
    const handler = brokerHandler({
      origins: { allowedOrigins: [], allowedHosts: [] },
      callers: { keys, path: "/mcp" },
      sessionEra: { get: never, delete: never, post: never },
      statelessEra: statelessEraEndpoint({
        catalog,
        lists: listAnswers(keys),
        listens: new Listens({ limits: LIMITS, serverMeta: {} }),
        watches: { session: (watch) => bridge.watch(watch) },
        wait: waitOnTimer,
        log,
        path: "/mcp",
        version: "0",
        toSession: (call) => bridge.call(call),
      }),
      maxBodyBytes: LIMITS.bodyBytes,
      now: Date.now,
      log,
    });
    const replica: Replica = {
      handler,
      bridge,
      unparked,
      kill: async () => {
        dead.abort();
        life.abort();
        await internal.finished;
      },
      [Symbol.asyncDispose]: async () => {
        await bridge.close();
        life.abort();
        await internal.finished;
      },
    };
    this.#replicas.add(replica);
    return replica;
  }

  /** Ends every broker. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const replica of this.#replicas) await replica[Symbol.asyncDispose]();
  }

  #catalog(): CurrentCatalog {
    const catalog = new CurrentCatalog();
    const config = gatewayConfig([this.server]);
    catalog.replace(
      config,
      mergeCatalog(config, [{
        server: "asking",
        listed: true,
        pending: false,
        items: {
          ...itemsOf({
            prompts: [{ name: "greet" }],
            resources: [{ uri: "notes://1", name: "one" }],
          }),
          tools: this.#options.tools.map((name) => toolBytes(name)),
        },
      }]),
    );
    return catalog;
  }
}

/** Sends a request to a broker. */
export function send(
  { handler }: Pick<Replica, "handler">,
  request: StatelessRequest,
): Promise<Response> {
  const {
    method = "tools/call",
    params,
    capabilities = {},
    id = 1,
    token,
    meta = {},
    signal,
  } = request;
  const body = {
    jsonrpc: "2.0",
    id,
    method,
    params: {
      ...params,
      _meta: {
        [META.protocolVersion]: "2026-07-28",
        [META.clientInfo]: { name: "tester", version: "1" },
        [META.clientCapabilities]: capabilities,
        ...meta,
      },
    },
  };
  const name = params["name"] ?? params["uri"];
  return handler(
    new Request("http://gw.test/mcp", {
      method: "POST",
      headers: {
        accept: "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": method,
        ...(typeof name === "string" ? { "mcp-name": name } : {}),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    }),
  );
}

/** Reads an answer to its end. */
export async function read(response: Response): Promise<Answered> {
  const { status } = response;
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("text/event-stream")) {
    const answer = JSON.parse(await response.text());
    return { status, before: [], answer, streamed: false };
  }
  const messages = [];
  for await (
    const { data } of readEvents(response.body!, { eventBytes: 1e7 })
  ) {
    if (data !== "") messages.push(JSON.parse(data));
  }
  const answer = messages.pop();
  return { status, before: messages, answer, streamed: true };
}

/** Sends a request and reads its answer. */
export async function ask(
  replica: Pick<Replica, "handler">,
  request: StatelessRequest,
): Promise<Answered> {
  return await read(await send(replica, request));
}

/** The request that goes on with a call that was answered `input_required`. */
export function retry(
  first: StatelessRequest,
  { answer }: Answered,
  inputResponses: Readonly<Record<string, unknown>> | undefined,
): StatelessRequest {
  return {
    ...first,
    id: `${first.id ?? 1} again`,
    params: {
      ...first.params,
      requestState: answer.result.requestState,
      ...(inputResponses === undefined ? {} : { inputResponses }),
    },
  };
}
