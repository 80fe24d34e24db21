/**
 * The router: Envoy's external processor. Here its parts meet the process:
 * options, files, sockets, signals.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { formatAddress } from "../shared/address.ts";
import type { Catalog } from "../shared/catalog.ts";
import type { GatewayConfig } from "../shared/config/model.ts";
import { formatProblem } from "../shared/config/parse.ts";
import { GatewayError } from "../shared/errors.ts";
import { connectTo } from "../shared/connect_to.ts";
import { fetchAbortably } from "../shared/fetch_abortably.ts";
import { serveInternal } from "../shared/internal_server.ts";
import { LIMITS } from "../shared/limits.ts";
import { type ProgramContext, runProgram } from "../shared/program.ts";
import { signCaller } from "../shared/sessions/caller.ts";
import { identityOf } from "../shared/sessions/identity.ts";
import { keepSessions } from "../shared/sessions/keep_sessions.ts";
import { Sessions } from "../shared/sessions/sessions.ts";
import { LATENCY_BUCKETS, type Metrics } from "../shared/telemetry.ts";
import { HttpPool } from "../shared/upstream/http_pool.ts";
import { VERSION } from "../shared/version.ts";
import { waitOnTimer } from "../shared/wait_on_timer.ts";
import { BackendOpener } from "./backend_opener.ts";
import { createBrokerHint } from "./broker_hint.ts";
import { createCallsInFlight } from "./calls_in_flight.ts";
import { followCatalog } from "./catalog_client.ts";
import { ENVOY_CONFIG_COMMAND } from "./envoy_config/command.ts";
import type { Deadline, ExchangePorts } from "./exchange_ports.ts";
import { carrierOf } from "./grpc_carrier.ts";
import { createLetGoBudget } from "./let_go_budget.ts";
import { probeHttp2, watchListener } from "./listener_probe.ts";
import { ROUTER_OPTIONS } from "./options.ts";
import { RESETS_MESSAGE, RESETS_REMEDY, ResetWatch } from "./reset_watch.ts";
import { RouteTable } from "../shared/routing/route_table.ts";
import type { ExchangeOutcome } from "./process_call.ts";
import { serveProcessor } from "./server.ts";
import { ServerClient } from "./server_client.ts";

async function start(
  { options, life, metrics, log, secrets, watchConfig, keys, store }:
    ProgramContext<
      typeof ROUTER_OPTIONS
    >,
): Promise<void> {
  const sessions = new Sessions({
    store,
    keys,
    now: Date.now,
    randomBytes,
    log,
    onOrphan: (backend, { name, fingerprint }) => {
      const server = state.config?.servers.find((one) =>
        one.name === name && one.fingerprint === fingerprint
      );
      if (server !== undefined) void client.end(server, backend);
    },
  });
  const http = new HttpPool(secrets);
  const client = new ServerClient(http, secrets, log);
  const opener = new BackendOpener({
    sessions,
    client,
    announce: createBrokerHint({
      url: options.catalogUrl.href,
      fetch: fetchAbortably,
      now: () => performance.now(),
      log,
    }),
  });
  const state = new RoutingState();
  let waitsForCatalog = true;
  const patience = setTimeout(() => waitsForCatalog = false, READY_CATALOG_MS);
  const ready = () => {
    const reasons = [
      ...(life.draining.aborted ? ["draining"] : []),
      ...(state.config === undefined ? ["no valid configuration yet"] : []),
      ...(state.listening ? [] : ["not listening yet"]),
      ...(state.catalog === undefined && waitsForCatalog
        ? ["no catalog of the broker's yet"]
        : []),
    ];
    return { ready: reasons.length === 0, reasons };
  };

  const internal = serveInternal({
    address: options.internalListen,
    option: "--internal-listen",
    ready,
    status: () => ({
      version: VERSION,
      ...(state.config === undefined ? {} : { config: state.config.version }),
      ...(state.catalog === undefined
        ? {}
        : { catalog: state.catalog.version }),
      configProblems: state.problems,
      ready: ready().ready,
    }),
    metrics,
    onFailed: (error) => life.fail("internal listener ended", error),
    log,
  });

  const watching = new AbortController();
  const config = await watchConfig({
    signal: watching.signal,
    onChange: (config) => state.setConfig(config),
    onProblems: (problems) => state.problems = problems.map(formatProblem),
  });
  const attempted = Promise.withResolvers<void>();
  const following = followCatalog({
    url: options.catalogUrl.href,
    onAttempt: attempted.resolve,
    onCatalog: (catalog) => state.setCatalog(catalog),
    signal: watching.signal,
    fetch: fetchAbortably,
    delay: waitOnTimer,
    log,
  });

  const calls = createCallsInFlight(LIMITS.callsPerSession);
  void keepSessions({
    sessions: () => calls.sessions(),
    keep: (session) => sessions.keep(session),
    everyMs: LIMITS.sessionTouchMs,
    delay: waitOnTimer,
    signal: watching.signal,
    log,
  });
  const ports: ExchangePorts = {
    table: () => state.table,
    settings: options,
    identify: (head, values) =>
      identityOf({
        jwt: head.verifiedClaims,
        authorization: values.get("authorization"),
        header: options.identityHeader === undefined
          ? undefined
          : values.get(options.identityHeader),
      }, { header: options.identityHeader }),
    signCaller: (caller) => signCaller(keys, caller, Date.now()),
    verify: async (token, caller) => {
      const verified = await sessions.verify(token, caller);
      if (verified.kind === "live") return verified.session;
      throw new GatewayError(verified.refusal);
    },
    deadline: () => deadlineIn(LIMITS.initializeMs),
    open: (session, server, authorization, deadline) =>
      opener.open(session, server, authorization, deadline),
    backendWith: (session, server) => sessions.backendWith(session, server),
    subscribe: (session, { name: server }, uri) =>
      sessions.subscribe(session, { server, uri }),
    unsubscribe: (session, { name: server }, uri) =>
      sessions.unsubscribe(session, { server, uri }),
    forget: async (session, server, backend) => {
      await sessions.forget(session, server, backend);
    },
    knows: (server, backend, headers) => client.knows(server, backend, headers),
    callHeaders: (server) =>
      server.credentialFor.includes("calls")
        ? client.callHeaders(server)
        : NO_HEADERS,
    run: (call, session, backend, headers, deadline) =>
      client.run(call, session, backend, headers, deadline),
    mayLetGo: createLetGoBudget(() => performance.now()),
    calls,
    relays: createCallsInFlight(LIMITS.relaysPerSession),
    log,
  };
  // A router that restarts knows unprefixed names before it is asked for one;
  // a broker that is not there keeps nobody waiting.
  await Promise.race([
    attempted.promise,
    waitOnTimer(CATALOG_MS, watching.signal),
  ]);
  // Our own HTTP/2 bears any number of resets.
  const resets =
    options.listen.some((address) =>
        carrierOf(address, options.grpcServer) === "grpc-js"
      )
      ? new ResetWatch()
      : undefined;
  const count = exchangeMetrics(metrics, () => processor.active);
  const processor = await serveProcessor({
    addresses: options.listen,
    grpcServer: options.grpcServer,
    ports,
    ready: () => ready().ready,
    onExchange: (outcome) => {
      count(outcome);
      if (resets?.note(outcome.reset, performance.now())) {
        log.error(RESETS_MESSAGE, { remedy: RESETS_REMEDY });
      }
    },
    log,
  });
  state.listening = true;
  for (const address of processor.addresses) {
    log.info("listening", {
      listener: "ext_proc",
      address: formatAddress(address),
    });
  }

  const [probed] = processor.addresses;
  if (probed !== undefined) {
    void watchListener({
      probe: () => probeHttp2(() => connectTo(probed)),
      delay: waitOnTimer,
      onDead: () =>
        life.fail(
          "listener takes no connections any more",
          new Error(`Cannot connect to ${formatAddress(probed)}`),
        ),
      signal: life.draining,
    });
  }

  life.onDrain("exchanges", (deadline) => processor.close(deadline));
  life.onDrain("configuration", async () => {
    clearTimeout(patience);
    watching.abort();
    await Promise.all([config.done, following]);
    http.close();
  });
  life.onDrain("internal listener", () => internal.close());
}

/** Milliseconds that a starting router waits for the broker's first answer. */
const CATALOG_MS = 1_000;
/**
 * Milliseconds that a router without a catalog is not ready: others know the
 * names without a prefix, and a broker that starts with it needs up to 5 s.
 * Calls behind a prefix need no broker, so one that is away is no reason for
 * longer.
 */
const READY_CATALOG_MS = 10_000;

const NO_HEADERS = Promise.resolve([]);

/** Configuration and catalog in force, and the table made from them. */
class RoutingState {
  listening = false;
  config: GatewayConfig | undefined;
  catalog: Catalog | undefined;
  table: RouteTable | undefined;
  problems: readonly string[] = [];

  setConfig(config: GatewayConfig): void {
    this.config = config;
    this.#rebuild();
  }

  setCatalog(next: Catalog): void {
    // A broker that has just started knows less than the one before it did.
    const lesser = !next.complete && this.catalog?.complete === true &&
      next.config === this.catalog.config;
    if (lesser) return;
    this.catalog = next;
    this.#rebuild();
  }

  #rebuild(): void {
    if (this.config === undefined) return;
    this.table = new RouteTable(this.config, this.catalog);
  }
}

function exchangeMetrics(
  metrics: Metrics,
  active: () => number,
): (outcome: ExchangeOutcome) => void {
  const total = metrics.counter(
    "mcp_gateway_exchanges_total",
    "Requests that Envoy asked the router about, by how they ended.",
    ["outcome"],
  );
  const seconds = metrics.histogram(
    "mcp_gateway_exchange_seconds",
    "Time from the first to the last phase of a request, the server's included.",
    LATENCY_BUCKETS,
  );
  const inFlight = metrics.gauge(
    "mcp_gateway_exchanges_active",
    "Requests under way.",
  );
  metrics.onExpose(() => inFlight.set(active()));
  return ({ outcome, durationMs }) => {
    total.labels({ outcome }).inc();
    seconds.observe(durationMs / 1000);
  };
}

/** A deadline so many milliseconds from now. */
function deadlineIn(ms: number): Deadline {
  const end = performance.now() + ms;
  return { left: () => Math.max(0, end - performance.now()) };
}

if (import.meta.main) {
  const program = {
    name: "router",
    summary: "Envoy's external processor: decides where MCP messages go",
    options: ROUTER_OPTIONS,
    commands: [ENVOY_CONFIG_COMMAND],
    start,
  };
  Deno.exit(await runProgram(program, Deno.args, Deno.env));
}
