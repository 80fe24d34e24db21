/**
 * A whole gateway on this machine: Envoy, router and broker as processes of
 * ours, one configuration file that may change while they run.
 *
 * @module
 */

import type { ConfigProblem, GatewayConfig } from "../config/model.ts";
import { formatProblem, parseConfig } from "../config/parse.ts";
import type { SecretIo } from "../config/secrets.ts";
import { DENO_IO, watchConfig } from "../config/watch.ts";
import {
  type EnvoyOptions,
  envoyOptions,
  type RequiredEnvoyOptions,
} from "../envoy/options.ts";
import type { LogFormat, Logger, LogLevel } from "../log.ts";
import { applyConfig, type ApplySteps, type Candidate } from "./apply.ts";
import { EnvoyAdmin } from "../envoy/admin.ts";
import { defaultCacheDir, findEnvoy } from "./envoy_binary.ts";
import { EnvoyFiles, envoyServers, replaceFile } from "../envoy/files.ts";
import { freePort, isPortFree, releasePort } from "./ports.ts";
import { type Crash, LocalProcess, type RestartPolicy } from "./processes.ts";
import { configInForce, programArgs, programReady } from "./programs.ts";

/** What to start. */
export interface LocalGatewayOptions {
  /** The user's configuration file; read, watched, never written. */
  readonly configFile: string;
  /** Port for clients on 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number;
  /** Told what happens. */
  readonly log: Logger;
  /** Gets each line that a child prints; none by default. */
  readonly onLine?: (child: string, line: string) => void;
  /** Folder for what is fetched. Default: `mcp-gateway` in the user's cache. */
  readonly cacheDir?: string;
  /** Path of Envoy; searched for, and fetched, where left out. */
  readonly envoy?: string;
  /**
   * Folder for sockets, Envoy's files and the programs' copy of the
   * configuration. Left out: a temporary one, removed in the end.
   */
  readonly runDir?: string;
  /** Folder of sessions and key. Default: `state` in the run folder. */
  readonly stateDir?: string;
  /** Folder of the secrets. Default: the configuration file's. */
  readonly secretsDir?: string;
  /** Number of router processes. Default 1. */
  readonly routers?: number;
  /**
   * Number of broker processes. Default 1. Routers ask them for the catalog by
   * turns: the first router the first broker, the second the second.
   */
  readonly brokers?: number;
  /**
   * How Envoy reaches the routers. Default `unix`; `network` is TCP for an
   * Envoy on another machine, which grpc-js carries.
   */
  readonly routerTransport?: "unix" | "tcp" | "network";
  /** Threads of Envoy. Default 2. */
  readonly envoyConcurrency?: number;
  /** Port of the first broker's public listener; a free one by default. */
  readonly brokerPort?: number;
  /** Changes to Envoy's defaults: path, limits, access log. */
  readonly envoyOptions?: Partial<
    Omit<EnvoyOptions, keyof RequiredEnvoyOptions>
  >;
  /** Further arguments of the routers. */
  readonly routerArgs?: readonly string[];
  /** Further arguments of the brokers. */
  readonly brokerArgs?: readonly string[];
  /** Environment variables of router and broker besides our own. */
  readonly env?: Readonly<Record<string, string>>;
  /** The most talkative records that router and broker write. Default `info`. */
  readonly logLevel?: LogLevel;
  /** How they write them. Default `json`. */
  readonly logFormat?: LogFormat;
  /**
   * Seconds that router and broker go on as before once they are told to stop,
   * so that Envoy learns of it. Default 0: all of it stops at once.
   */
  readonly drainDelaySeconds?: number;
  /** Seconds that what is under way may take from then on. Default 2. */
  readonly drainSeconds?: number;
  /** Starts a child again that crashed. Off by default: tests do that. */
  readonly restartCrashed?: boolean;
  /** Hears the problems of the configuration file, [] for none, on change. */
  readonly onProblems?: (problems: readonly ConfigProblem[]) => void;
  /** Ends the start. */
  readonly signal?: AbortSignal;
}

/** A gateway that runs; disposing of it stops all and removes what it wrote. */
export interface LocalGateway extends AsyncDisposable {
  /** The endpoint for clients: `http://127.0.0.1:PORT/mcp`. */
  readonly url: string;
  /** Port for clients. */
  readonly port: number;
  /** Base URL of the first broker's internal listener. */
  readonly brokerInternalUrl: string;
  /** The same of each broker. */
  readonly brokerInternalUrls: readonly string[];
  /** Base URL of the first broker's public listener, past Envoy. */
  readonly brokerUrl: string;
  /** The same of each broker. */
  readonly brokerUrls: readonly string[];
  /** Base URL of the first router's internal listener. */
  readonly routerInternalUrl: string;
  /** The same of each router. */
  readonly routerInternalUrls: readonly string[];
  /** Base URL of Envoy's admin interface. */
  readonly envoyAdminUrl: string;
  /** Folder of sockets and generated files. */
  readonly runDir: string;
  /** Folder of sessions and key. */
  readonly stateDir: string;
  /** The configuration in force. */
  readonly config: GatewayConfig;
  /** Envoy. */
  readonly envoy: LocalProcess;
  /** The first broker. */
  readonly broker: LocalProcess;
  /** Each broker. */
  readonly brokers: readonly LocalProcess[];
  /** The first router. */
  readonly router: LocalProcess;
  /** Each router. */
  readonly routers: readonly LocalProcess[];
}

/** The configuration file cannot be used; its problems are in the message. */
export class ConfigFileError extends Error {
  /** Every problem. */
  readonly problems: readonly ConfigProblem[];

  /** Builds an error. */
  constructor(file: string, problems: readonly ConfigProblem[]) {
    super(
      `Cannot use ${file}:\n  ${problems.map(formatProblem).join("\n  ")}`,
    );
    this.name = "ConfigFileError";
    this.problems = problems;
  }
}

/** The port for clients is taken. */
export class PortTakenError extends Error {
  /** Builds an error. */
  constructor(port: number) {
    super(
      `Cannot listen on 127.0.0.1:${port}: something else does. ` +
        `Remedy: stop it, or choose another port with --port (0 takes a free one)`,
    );
    this.name = "PortTakenError";
  }
}

const HOST = "127.0.0.1";
/** Longest path of a unix socket that every system takes, in bytes. */
const MAX_SOCKET_PATH = 100;
const DRAIN_SECONDS = 2;
/** Seconds of a drain beyond those that it may take, until it is broken off. */
const DRAIN_MARGIN_S = 3;

/**
 * Starts a gateway and waits until it takes calls. Servers may still be
 * connecting then: the broker's `/status` tells.
 *
 * @throws {ConfigFileError} If the configuration file is not valid.
 * @throws {PortTakenError} If something listens on the port already.
 * @throws {NoEnvoyError} If Envoy cannot be had.
 * @throws {ProcessError} If a process ends before it is ready; nothing is left
 * running then.
 */
export async function startLocalGateway(
  options: LocalGatewayOptions,
): Promise<LocalGateway> {
  await using owned = new AsyncDisposableStack();
  const { signal } = options;
  const given = await readConfig(options.configFile);
  const port = options.port || takePort(owned);
  if (!isPortFree(port, HOST)) throw new PortTakenError(port);
  const envoyPath = options.envoy ?? await findEnvoy({
    cacheDir: options.cacheDir ?? defaultCacheDir((name) => Deno.env.get(name)),
    env: (name) => Deno.env.get(name),
    progress: (line) => options.log.info(line),
    ...(signal === undefined ? {} : { signal }),
  });
  signal?.throwIfAborted();

  const dirs = await makeDirs(options, owned);
  const adminPort = takePort(owned);
  const brokers = Array.from({ length: options.brokers ?? 1 }, (_, at) => ({
    endpoint: {
      kind: "tcp" as const,
      host: HOST,
      port: (at === 0 ? options.brokerPort : undefined) ?? takePort(owned),
    },
    internal: `${HOST}:${takePort(owned)}`,
  }));
  const transport = options.routerTransport ?? "unix";
  const routers = Array.from({ length: options.routers ?? 1 }, (_, at) => ({
    endpoint: transport === "unix"
      ? { kind: "unix" as const, path: socketPath(dirs.run, at) }
      : { kind: "tcp" as const, host: HOST, port: takePort(owned) },
    internal: `${HOST}:${takePort(owned)}`,
  }));
  const envoy = envoyOptions({
    ...options.envoyOptions,
    listen: { kind: "tcp", host: HOST, port },
    brokers: brokers.map(({ endpoint }) => endpoint),
    routers: routers.map(({ endpoint }) => endpoint),
  });
  const files = new EnvoyFiles(dirs.envoy, envoy);
  const secrets: SecretIo = {
    secretsDir: dirs.secrets,
    readTextFile: (path) => Deno.readTextFile(path),
    env: (name) => options.env?.[name] ?? Deno.env.get(name),
  };
  const candidate = async (
    { config, text }: Pick<Candidate, "config" | "text">,
  ): Promise<Candidate> => ({
    config,
    text,
    servers: await envoyServers(config, envoy, secrets),
  });
  const inForce = { now: await candidate(given) };
  const effective = `${dirs.config}/config.yaml`;
  await replaceFile(effective, given.text);
  await files.writeAll(inForce.now.servers, given.config.version, {
    kind: "tcp",
    host: HOST,
    port: adminPort,
  });

  const urls = {
    brokers: brokers.map(({ endpoint }) => `http://${HOST}:${endpoint.port}`),
    brokersInternal: brokers.map(({ internal }) => `http://${internal}`),
    routersInternal: routers.map(({ internal }) => `http://${internal}`),
  };
  const envoyAdminUrl = `http://${HOST}:${adminPort}`;
  const child = childMaker(options, owned);
  const common = {
    config: effective,
    "secrets-dir": dirs.secrets,
    "state-dir": dirs.state,
    path: envoy.path,
    "max-body-bytes": envoy.maxBodyBytes,
    "log-level": options.logLevel ?? "info",
    "log-format": options.logFormat ?? "json",
    "drain-delay-seconds": options.drainDelaySeconds ?? 0,
    "drain-seconds": options.drainSeconds ?? DRAIN_SECONDS,
  };
  const access = {
    read: [dirs.config, dirs.secrets, dirs.state, dirs.run],
    write: [dirs.state, dirs.run],
  };
  const brokerProcesses = brokers.map(({ endpoint, internal }, at) =>
    child(at === 0 ? "broker" : `broker-${at}`, Deno.execPath(), {
      args: programArgs("broker", access, {
        ...common,
        listen: `${HOST}:${endpoint.port}`,
        "internal-listen": internal,
        "gateway-url": `http://${HOST}:${port}`,
      }, options.brokerArgs),
      ready: (signal) => programReady(`http://${internal}`, signal),
    })
  );
  const routerProcesses = routers.map(({ endpoint, internal }, at) =>
    child(at === 0 ? "router" : `router-${at}`, Deno.execPath(), {
      args: programArgs("router", access, {
        ...common,
        listen: endpoint.kind === "unix"
          ? `unix:${endpoint.path}`
          : `${transport === "network" ? "0.0.0.0" : HOST}:${endpoint.port}`,
        "internal-listen": internal,
        "catalog-url": urls.brokersInternal[at % brokers.length],
        steering: envoy.steering === "hostname" ? undefined : envoy.steering,
      }, options.routerArgs),
      ready: (signal) => programReady(`http://${internal}`, signal),
    })
  );
  const envoyProcess: LocalProcess = child("envoy", envoyPath, {
    args: [
      "-c",
      files.bootstrap,
      // Several gateways on one machine must not take each other's place.
      "--disable-hot-restart",
      "--concurrency",
      String(options.envoyConcurrency ?? 2),
      "--log-level",
      "warn",
    ],
    ready: (signal) => admin.ready(signal),
  });
  const admin = new EnvoyAdmin(envoyAdminUrl, () => envoyProcess.log);
  // A router that finds no broker would warn of what is over in a moment.
  await startAll(brokerProcesses, signal);
  await startAll([...routerProcesses, envoyProcess], signal);

  const stop = new AbortController();
  const steps: ApplySteps = {
    clusters: async (servers, version) => {
      const before = await admin.state();
      await files.writeClusters(servers, version);
      await admin.taken("clusters", version, before, stop.signal);
    },
    routes: async (servers, version) => {
      const before = await admin.state();
      await files.writeRoutes(servers, version);
      await admin.taken("routes", version, before, stop.signal);
    },
    publish: (text) => replaceFile(effective, text),
    inForce: async (version) => {
      await Promise.all(
        [...urls.brokersInternal, ...urls.routersInternal].map((url, at) =>
          configInForce(
            [...brokerProcesses, ...routerProcesses][at]?.name ?? url,
            url,
            version,
            stop.signal,
          )
        ),
      );
    },
  };
  await follow(options, inForce, candidate, steps, stop, owned);

  const everything = owned.move();
  return {
    url: `http://${HOST}:${port}${envoy.path}`,
    port,
    brokerInternalUrl: first(urls.brokersInternal),
    brokerInternalUrls: urls.brokersInternal,
    brokerUrl: first(urls.brokers),
    brokerUrls: urls.brokers,
    routerInternalUrl: first(urls.routersInternal),
    routerInternalUrls: urls.routersInternal,
    envoyAdminUrl,
    runDir: dirs.run,
    stateDir: dirs.state,
    get config() {
      return inForce.now.config;
    },
    envoy: envoyProcess,
    broker: first(brokerProcesses),
    brokers: brokerProcesses,
    router: first(routerProcesses),
    routers: routerProcesses,
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  };
}

/** The first of what there is one of at least. */
function first<T>(all: readonly T[]): T {
  const [one] = all;
  if (one === undefined) {
    throw new Error("Cannot run without a router or broker");
  }
  return one;
}

/** Takes every later content of the configuration file into force. */
async function follow(
  options: LocalGatewayOptions,
  inForce: { now: Candidate },
  candidate: (
    given: Pick<Candidate, "config" | "text">,
  ) => Promise<Candidate>,
  steps: ApplySteps,
  stop: AbortController,
  owned: AsyncDisposableStack,
): Promise<void> {
  const { log } = options;
  let lastText = inForce.now.text;
  const watch = await watchConfig({
    file: options.configFile,
    signal: stop.signal,
    log,
    io: {
      ...DENO_IO,
      readTextFile: async (path) => lastText = await Deno.readTextFile(path),
    },
    ...(options.onProblems ? { onProblems: options.onProblems } : {}),
    onChange: async (config) => {
      if (config.version === inForce.now.config.version) return;
      const started = performance.now();
      try {
        const next = await candidate({ config, text: lastText });
        await applyConfig(inForce.now, next, steps);
        inForce.now = next;
        log.info("configuration applied", {
          config: config.version,
          servers: config.servers.length,
          ms: Math.round(performance.now() - started),
        });
      } catch (error) {
        if (stop.signal.aborted) return;
        log.error("configuration not applied", { error });
      }
    },
  });
  owned.defer(async () => {
    stop.abort(new Error("the gateway is stopped"));
    await watch.done;
  });
}

async function readConfig(
  file: string,
): Promise<Pick<Candidate, "config" | "text">> {
  const text = await Deno.readTextFile(file).catch((cause) => {
    throw new Error(
      `Cannot read the configuration ${file}: ${
        cause instanceof Deno.errors.NotFound
          ? "there is no such file"
          : cause.message
      }. Remedy: give the path of a file that you may read`,
      { cause },
    );
  });
  const result = parseConfig(text, { file });
  if (!result.ok) throw new ConfigFileError(file, result.problems);
  return { config: result.config, text };
}

interface Dirs {
  readonly run: string;
  readonly state: string;
  readonly config: string;
  readonly envoy: string;
  readonly secrets: string;
}

async function makeDirs(
  options: LocalGatewayOptions,
  owned: AsyncDisposableStack,
): Promise<Dirs> {
  const make = (path: string) =>
    Deno.mkdir(path, { recursive: true, mode: 0o700 });
  const run = options.runDir ??
    await Deno.makeTempDir({ prefix: "mcp-gateway-" });
  if (options.runDir === undefined) {
    owned.defer(() => Deno.remove(run, { recursive: true }));
  }
  const dirs = {
    run,
    state: options.stateDir ?? `${run}/state`,
    config: `${run}/config`,
    envoy: `${run}/envoy`,
    secrets: options.secretsDir ?? folderOf(options.configFile),
  };
  for (const dir of [dirs.run, dirs.state, dirs.config, dirs.envoy]) {
    await make(dir);
  }
  return dirs;
}

function folderOf(file: string): string {
  return Deno.realPathSync(file).replace(/\/[^/]*$/, "") || "/";
}

function socketPath(runDir: string, at: number): string {
  const path = `${runDir}/router-${at}.sock`;
  if (new TextEncoder().encode(path).length <= MAX_SOCKET_PATH) return path;
  throw new Error(
    `Cannot make a socket at ${path}: the path is longer than ${MAX_SOCKET_PATH} bytes. ` +
      `Remedy: choose a shorter folder (TMPDIR)`,
  );
}

function takePort(owned: AsyncDisposableStack): number {
  const port = freePort(HOST);
  owned.defer(() => releasePort(port));
  return port;
}

/** Whatever proxy the user has: it does not see this machine's loopback. */
const NO_PROXY: Readonly<Record<string, string>> = Object.fromEntries(
  ["NO_PROXY", "no_proxy"].map((name) => {
    const given = Deno.env.get(name);
    const own = "127.0.0.1,localhost,::1";
    return [name, given ? `${given},${own}` : own];
  }),
);

type ChildMaker = (
  name: string,
  command: string,
  spec: {
    readonly args: readonly string[];
    readonly ready: (signal: AbortSignal) => Promise<void>;
  },
) => LocalProcess;

/** Makes children that are stopped with everything else. */
function childMaker(
  options: LocalGatewayOptions,
  owned: AsyncDisposableStack,
): ChildMaker {
  const restart: RestartPolicy = {
    firstMs: 100,
    maxMs: 10_000,
    steadyMs: 10_000,
    onCrash: ({ name, how, againInMs, lastLines }: Crash) =>
      options.log.error(`${name} ended with ${how}: starting it again`, {
        inMs: againInMs,
        lastLine: lastLines.at(-1),
      }),
  };
  const processes: LocalProcess[] = [];
  // Side by side: each may take its time to finish what it does.
  owned.defer(async () => {
    await Promise.all(processes.map((process) => process.stop()));
  });
  const drainSeconds = (options.drainDelaySeconds ?? 0) +
    (options.drainSeconds ?? DRAIN_SECONDS);
  return (name, command, { args, ready }) => {
    const process = new LocalProcess({
      name,
      command,
      args,
      ready,
      stopMs: 1_000 * (drainSeconds + DRAIN_MARGIN_S),
      env: { ...NO_PROXY, ...options.env },
      onLine: (line) => options.onLine?.(name, line),
      ...(options.restartCrashed ? { restart } : {}),
    });
    processes.push(process);
    return process;
  };
}

/** Starts all side by side; the first that fails ends the others' start. */
async function startAll(
  processes: readonly LocalProcess[],
  signal?: AbortSignal,
): Promise<void> {
  const failed = new AbortController();
  const end = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  let reason: unknown;
  const outcomes = await Promise.allSettled(processes.map(async (process) => {
    try {
      await process.start(end);
    } catch (cause) {
      reason ??= cause;
      failed.abort(cause);
      throw cause;
    }
  }));
  if (outcomes.some(({ status }) => status === "rejected")) throw reason;
}
