/**
 * The broker: default backend of the gateway's endpoint. MCP server to
 * clients, MCP client to servers. Here its parts meet the process: options,
 * files, sockets, signals.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { type Address, formatAddress } from "../shared/address.ts";
import { formatProblem } from "../shared/config/parse.ts";
import { serverHeaders } from "../shared/config/secrets.ts";
import { fetchAbortably } from "../shared/fetch_abortably.ts";
import { ANSWERED_BY_HEADER, BROKER_DESTINATION } from "../shared/headers.ts";
import { listenProblem, serveInternal } from "../shared/internal_server.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Logger } from "../shared/log.ts";
import { type ProgramContext, runProgram } from "../shared/program.ts";
import { keepSessions } from "../shared/sessions/keep_sessions.ts";
import {
  type Listener,
  type OpenBackend,
  Sessions,
} from "../shared/sessions/sessions.ts";
import { LATENCY_BUCKETS, type Metrics } from "../shared/telemetry.ts";
import { HttpPool } from "../shared/upstream/http_pool.ts";
import { VERSION } from "../shared/version.ts";
import { waitOnTimer } from "../shared/wait_on_timer.ts";
import { ANSWER_PATIENCE } from "./batches/call_answer.ts";
import type { BatchGateway } from "./batches/gateway_calls.ts";
import { Broker } from "./broker.ts";
import { serveForwarded } from "./era_bridge/owner.ts";
import { assembleToStateless } from "./era_bridge/to_stateless/assemble.ts";
import type { StatelessBridge } from "./era_bridge/to_stateless/to_stateless.ts";
import { toStatelessMetrics } from "./era_bridge/to_stateless/metrics.ts";
import { toSessionMetrics } from "./era_bridge/to_session/metrics.ts";
import { ToSessionBridge } from "./era_bridge/to_session/to_session.ts";
import { brokerHandler, type Handler } from "./handler.ts";
import { REOPENING } from "./held_streams/held_stream.ts";
import { HeldStreams } from "./held_streams/held_streams.ts";
import { internalUrl } from "./held_streams/internal_url.ts";
import { placeInStore } from "./held_streams/place.ts";
import { addBrokerMetrics, internalPages } from "./internal.ts";
import { LateNews } from "./notifications/late_news.ts";
import { BROKER_OPTIONS } from "./options.ts";
import { publicListener } from "./public_listener.ts";
import { Relay } from "./relay/relay.ts";
import { sessionEraEndpoint } from "./session_era/endpoint.ts";
import { listAnswers } from "./lists/list_answers.ts";
import { statelessEraEndpoint } from "./stateless_era/endpoint.ts";
import type { ServerAccess } from "./upstream/backend_request.ts";
import {
  connectAsCaller,
  connectWith,
  UPSTREAM_LIMITS,
} from "./upstream/connect.ts";
import { SessionEnder } from "./upstream/end_sessions.ts";
import { PATIENCE } from "./upstream/health.ts";

/** A server that hangs keeps a starting broker from being ready this long. */
const SETTLE_MS = 5_000;
/** How often sessions are looked through. */
const SWEEP_MS = 60_000;
/** Milliseconds between two looks at sessions with calls between the eras. */
const KEEP_MS = 10_000;

async function start(
  { options, life, metrics, log, secrets, watchConfig, keys, store }:
    ProgramContext<
      typeof BROKER_OPTIONS
    >,
): Promise<void> {
  const http = new HttpPool(secrets);
  const instance = randomBytes(6).toString("hex");
  const broker = new Broker({
    open: connectWith(http, secrets),
    openAsCaller: connectAsCaller(http, secrets),
    log,
    now: Date.now,
    wait: waitOnTimer,
    random: Math.random,
    patience: PATIENCE,
    streams: LIMITS,
    instance,
    onSilent: (session) => held.release(session),
    onRecovered: (server) => held.reopen(server),
    onChanges: (changes) => lateNews.changed(changes),
    onUntold: (session, capability) => lateNews.changedFor(session, capability),
    pages: { items: options.listPageItems, bytes: LIMITS.listPageBytes },
    version: VERSION,
    settleMs: SETTLE_MS,
  });
  const access: ServerAccess = {
    fetch: (server, init) => http.fetch(server, init),
    headers: (server) => serverHeaders(server, "calls", secrets),
  };
  const servers = () => broker.catalog.state?.config.servers ?? [];
  const ender = new SessionEnder({
    ...access,
    timeoutMs: UPSTREAM_LIMITS.pingMs,
    log,
  });
  const endBackends = (
    backends: readonly OpenBackend[],
    authorization?: string,
  ) => ender.end(backends, servers(), authorization);
  const sessions = new Sessions({
    store,
    keys,
    now: Date.now,
    randomBytes,
    log,
    onOrphan: (backend, server) => endBackends([{ backend, server }]),
  });
  const here: Listener = {
    broker: instance,
    ...internalUrl(options.internalUrl, options.internalListen),
  };
  const lateNews = new LateNews({
    here: instance,
    listenerOf: (session) => sessions.listener(session),
    hub: broker.hub,
    hashOf: (view, capability) =>
      broker.catalog.state?.views.get(view)?.hash(capability),
    fetch: fetchAbortably,
    now: () => performance.now(),
    log,
  });
  const held = new HeldStreams({
    ...access,
    sessions,
    place: placeInStore(sessions, here, log),
    subscriptions: async (session) =>
      (await sessions.standing(session)).subscriptions,
    watches: {
      look: (...session) => toStateless.watches.look(...session),
      release: (session) => toStateless.watches.release(session),
    },
    hub: broker.hub,
    servers,
    relist: (...changed) => broker.relist(...changed),
    heldStreams: LIMITS.heldStreams,
    eventBytes: LIMITS.bodyBytes,
    unfinishedBytes: LIMITS.unfinishedBytes,
    reopening: REOPENING,
    wait: waitOnTimer,
    random: Math.random,
    now: () => performance.now(),
    log,
  });
  const relay = new Relay({
    ...access,
    sessions,
    servers,
    onData: (session, backend, data) => held.take(session, backend, data),
    timeoutMs: UPSTREAM_LIMITS.pingMs,
    relayedMessages: LIMITS.relayedMessages,
    relayedBytes: LIMITS.relayedBytes,
    wait: waitOnTimer,
    log,
  });
  const bridged = toSessionMetrics(metrics);
  const toSession = new ToSessionBridge({
    ...access,
    ...bridged,
    keys,
    randomBytes,
    here,
    mode: options.bridgeSessions,
    limits: { ...LIMITS, parkMs: options.parkSeconds * 1_000 },
    clientInfo: { name: "mcp-gateway", version: VERSION },
    fetchBroker: fetchAbortably,
    pingMs: UPSTREAM_LIMITS.pingMs,
    reopening: REOPENING,
    wait: waitOnTimer,
    random: Math.random,
    now: () => performance.now(),
    epoch: Date.now,
    log,
  });
  bridged.show(toSession);
  const carried = toStatelessMetrics(metrics);
  const toStateless = assembleToStateless({
    ...access,
    ...carried,
    sessions,
    keys,
    here,
    hub: broker.hub,
    servers,
    eraOf: (server) => broker.catalog.routes?.eraFor(server, "session"),
    tells: ({ name }) => broker.tellsUpdates(name),
    look: (session, server) => held.opened(session, server),
    onDoubt: (server) => broker.doubt(server),
    relist: (...changed) => broker.relist(...changed),
    clientInfo: { name: "mcp-gateway", version: VERSION },
    fetchBroker: fetchAbortably,
    now: Date.now,
    log,
  });
  carried.show(toStateless);
  const gateway = options.gatewayUrl && throughGateway(options.gatewayUrl, log);
  let configProblems: readonly string[] = [];
  const pages = internalPages({
    broker,
    held,
    lateNews,
    forwarded: (request) =>
      serveForwarded(request, (own) => handler(own), keys, Date.now()),
    bridge: () => {
      const { running, parked, sessions } = toSession.counts;
      return {
        runningCalls: running,
        parkedCalls: parked,
        sessions: sessions.used + sessions.idle,
        sessionCalls: toStateless.bridge.counts.calls,
        questions: toStateless.bridge.counts.questions,
        watches: toStateless.watches.count,
      };
    },
    configProblems: () => configProblems,
    draining: life.draining,
  });
  addBrokerMetrics(metrics, broker, held, () => sessions.count());
  const internal = serveInternal({
    ...pages,
    address: options.internalListen,
    option: "--internal-listen",
    metrics,
    onFailed: (error) => life.fail("internal listener ended", error),
    log,
  });
  const lists = listAnswers(keys, broker.ownItems);
  const handler = brokerHandler({
    origins: options,
    callers: {
      keys,
      path: options.path,
      identityHeader: options.identityHeader,
    },
    sessionEra: sessionEraEndpoint({
      sessions,
      catalog: broker.catalog,
      lists,
      hub: broker.hub,
      held,
      relay,
      gateway,
      logs: (server) => broker.declares(server, "logging"),
      toStateless: toStateless.bridge.carry,
      hear: (message) => toStateless.bridge.hear(message),
      ownItems: broker.ownItems,
      version: VERSION,
      log,
      endBackends,
      onListed: (...given) => lateNews.listed(...given),
      onEnded: (session) => {
        broker.callerLists.forget(session);
        toStateless.bridge.endSession(session);
      },
    }),
    statelessEra: statelessEraEndpoint({
      catalog: broker.catalog,
      lists,
      listens: broker.listens,
      wait: waitOnTimer,
      log,
      path: options.path,
      version: VERSION,
      ownItems: broker.ownItems,
      toSession: (call) => toSession.call(call),
      watches: {
        session: (watch) => toSession.watch(watch),
        stateless: toStateless.watchResources,
      },
    }),
    maxBodyBytes: options.maxBodyBytes,
    now: Date.now,
    log,
  });
  const server = listen(
    options.listen,
    publicListener(measured(handler, metrics), {
      ready: () => pages.ready().ready,
      draining: life.draining,
    }),
    log,
  );
  // Out of descriptors once, Deno's listener ends for good: start anew then.
  server.finished.catch((error: unknown) => life.fail("listener ended", error));
  const watching = new AbortController();
  await watchConfig({
    signal: watching.signal,
    onChange: (config) => {
      broker.apply(config);
      held.reconfigure();
    },
    onProblems: (problems) => {
      configProblems = problems.map(formatProblem);
    },
  });
  const sweeping = setInterval(() => {
    sweep(sessions, broker, toStateless.bridge, endBackends).catch(
      (error: unknown) => {
        log.warn("sessions not looked through", { error });
      },
    );
  }, SWEEP_MS);

  void keepSessions({
    sessions: () => toStateless.bridge.sessions.map((id) => ({ id })),
    keep: (session) => sessions.keep(session),
    // Ended at another broker, which knows nothing of the calls here.
    onEnded: ({ id }) => toStateless.bridge.endSession(id),
    everyMs: KEEP_MS,
    delay: waitOnTimer,
    signal: watching.signal,
    log,
  });

  life.onDrain("clients", async () => {
    clearInterval(sweeping);
    watching.abort();
    const stopped = server.shutdown();
    broker.endStreams();
    await stopped;
  });
  // Their clients come back at other brokers, which ask at the internal one.
  life.onDrain(
    "calls between the eras",
    (deadline) => toSession.idle(deadline),
  );
  life.onDrain("servers", async () => {
    await Promise.all([
      held.close(),
      toSession.close(),
      toStateless.bridge.close(),
    ]);
    toStateless.watches.close();
    await Promise.all([
      broker.close(),
      ender.finish(),
      relay.finish(),
      lateNews.finish(),
    ]);
    http.close();
    gateway?.close();
  });
  life.onDrain("internal listener", () => internal.close());
}

/** The way of calls in a batch, over connections of their own. */
function throughGateway(
  url: URL,
  log: Logger,
): BatchGateway & { readonly close: () => void } {
  const client = Deno.createHttpClient({ allowHost: true });
  return {
    url,
    fetch: (target, init) => fetchAbortably(target, { ...init, client }),
    settings: {
      ...ANSWER_PATIENCE,
      answerBytes: LIMITS.batchAnswerBytes,
      callsAtOnce: LIMITS.batchCalls,
      keepAliveMs: LIMITS.keepAliveMs,
      wait: waitOnTimer,
      log,
    },
    close: () => client.close(),
  };
}

async function sweep(
  sessions: Sessions,
  broker: Broker,
  bridge: Pick<StatelessBridge, "touch">,
  endBackends: (backends: readonly OpenBackend[]) => void,
): Promise<void> {
  // Open streams and running calls first: they are activity.
  await broker.hub.sweep();
  await bridge.touch();
  endBackends(await sessions.sweep());
}

/** Counts and times requests, streams until their first byte. */
function measured(handler: Handler, metrics: Metrics): Handler {
  const requests = metrics.counter(
    "mcp_gateway_broker_requests_total",
    "Requests that the broker answered, by HTTP method and status.",
    ["method", "status"],
  );
  const seconds = metrics.histogram(
    "mcp_gateway_broker_request_seconds",
    "Time until the broker began to answer.",
    LATENCY_BUCKETS,
  );
  return async (request) => {
    const started = performance.now();
    const response = await handler(request);
    response.headers.set(ANSWERED_BY_HEADER, BROKER_DESTINATION);
    seconds.observe((performance.now() - started) / 1000);
    requests.labels({
      method: KNOWN_METHODS.includes(request.method) ? request.method : "other",
      status: String(response.status),
    }).inc();
    return response;
  };
}

const KNOWN_METHODS: readonly string[] = ["POST", "GET", "DELETE"];

function listen(
  address: Address,
  handler: Handler,
  log: Logger,
): Deno.HttpServer<Deno.Addr> {
  const onListen = (at: Deno.Addr) => {
    const bound: Address = at.transport === "tcp"
      ? { kind: "tcp", host: at.hostname, port: at.port }
      : address;
    log.info("listening", { listener: "mcp", address: formatAddress(bound) });
  };
  try {
    return address.kind === "unix"
      ? Deno.serve({ path: address.path, onListen }, handler)
      : Deno.serve(
        { hostname: address.host, port: address.port, onListen },
        handler,
      );
  } catch (cause) {
    throw new Error(listenProblem(address, "--listen", cause), { cause });
  }
}

if (import.meta.main) {
  const program = {
    name: "broker",
    summary: "MCP server to clients, MCP client to servers",
    options: BROKER_OPTIONS,
    start,
  };
  Deno.exit(await runProgram(program, Deno.args, Deno.env));
}
