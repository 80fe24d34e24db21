/**
 * What a benchmark runs: the gateway on this machine, a server that costs next
 * to nothing, and beside the gateway what it is compared with.
 *
 * | path | what a request passes |
 * |---|---|
 * | `direct` | nothing: the client's connection ends at the server |
 * | `envoy` | Envoy with the gateway's listener and routes, without a processor |
 * | `go` | the same with a processor in Go that does no MCP |
 * | `gateway` | Envoy and our router |
 *
 * @module
 */

import type { ServerConfig } from "../../shared/config/model.ts";
import { DESTINATION_HEADER, UPSTREAM_HEADER } from "../../shared/headers.ts";
import { defaultCacheDir, findEnvoy } from "../../shared/local/envoy_binary.ts";
import type { Era } from "../../shared/mcp.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import type { ServerEntry } from "../support/config_file.ts";
import { RawClient } from "../support/raw_client.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { BenchTool, runCampaign } from "./bench_tools.ts";
import { type EnvoyBeside, startEnvoyBeside } from "./envoy_beside.ts";
import { sizedCall, type Target, toolAnswer } from "./requests.ts";

/** What a request passes on its way to the server. */
export type PathName = "direct" | "envoy" | "go" | "gateway";

/** Whether the tool's name has a prefix that is removed on the way. */
export type Naming = "prefixed" | "plain";

/** The server behind everything. */
export interface BenchServer extends AsyncDisposable {
  /** Its process id. */
  readonly pid: number;
  /** `HOST:PORT`. */
  readonly address: string;
  /** What it has counted since it was asked the last time. */
  counts(): Promise<Readonly<Record<string, number>>>;
  /**
   * Changes its lists, and tells all who listen.
   *
   * @returns When it did, nanoseconds since 1970.
   */
  change(): Promise<bigint>;
}

/** Starts the server. */
export async function startBenchServer(tools: string): Promise<BenchServer> {
  const tool = new BenchTool(tools, ["server"]);
  const { port } = await tool.said<{ readonly port: number }>();
  const address = `127.0.0.1:${port}`;
  const get = async (path: string) =>
    await (await fetch(`http://${address}${path}`)).json();
  return {
    pid: tool.pid,
    address,
    counts: () => get("/counts"),
    change: async () => BigInt((await get("/change")).at),
    [Symbol.asyncDispose]: () => tool[Symbol.asyncDispose](),
  };
}

const WARM_CLIENTS = 16;
const WARM_MS = 1_500;

/** A server of the configuration, by era and naming: its name and its tools'. */
const SERVERS: Readonly<
  Record<Era, Readonly<Record<Naming, { name: string; names: string }>>>
> = {
  session: {
    prefixed: { name: "session", names: "" },
    plain: { name: "plain-session", names: "ps_" },
  },
  stateless: {
    prefixed: { name: "stateless", names: "" },
    plain: { name: "plain-stateless", names: "pt_" },
  },
};

/** Where a call of a tool goes on one path, and under which name. */
export interface CallTarget {
  /** `HOST:PORT` to connect to. */
  readonly address: string;
  /** The request's path and headers. */
  readonly target: Target;
  /** Name of the tool as the client writes it. */
  readonly tool: string;
  /** Process ids by name: whose CPU time the call costs. */
  readonly pids: Readonly<Record<string, number>>;
  /** Base URL of Envoy's admin interface, where the path has one. */
  readonly adminUrl?: string;
}

/** All that runs. */
export class World implements AsyncDisposable {
  /** The Go programs. */
  readonly tools: string;
  /** Path of Envoy. */
  readonly envoyPath: string;
  /** The server behind everything. */
  readonly server: BenchServer;
  /** The gateway. */
  readonly gateway: TestGateway;
  readonly #beside: Readonly<Record<"envoy" | "go", EnvoyBeside>>;
  readonly #processor: BenchTool;
  readonly #owned: AsyncDisposableStack;
  readonly #sessions: string[] = [];

  private constructor(
    parts: {
      readonly tools: string;
      readonly envoyPath: string;
      readonly server: BenchServer;
      readonly gateway: TestGateway;
      readonly beside: Readonly<Record<"envoy" | "go", EnvoyBeside>>;
      readonly processor: BenchTool;
    },
    owned: AsyncDisposableStack,
  ) {
    this.tools = parts.tools;
    this.envoyPath = parts.envoyPath;
    this.server = parts.server;
    this.gateway = parts.gateway;
    this.#beside = parts.beside;
    this.#processor = parts.processor;
    this.#owned = owned;
  }

  /** Starts everything. */
  static async start(tools: string): Promise<World> {
    await using owned = new AsyncDisposableStack();
    const envoyPath = await benchEnvoy();
    const server = owned.use(await startBenchServer(tools));
    const gateway = owned.use(
      await startGateway({
        servers: serverEntries(server),
        local: { envoy: envoyPath, envoyConcurrency: 1 },
      }),
    );
    const dir = await Deno.makeTempDir({ prefix: "bench-" });
    owned.defer(() => Deno.remove(dir, { recursive: true }));
    const socket = `${dir}/go.sock`;
    const processor = owned.use(
      new BenchTool(tools, [
        "processor",
        `-socket=${socket}`,
        `-rules=${JSON.stringify(rules(gateway))}`,
        ...await samePhases(gateway),
      ]),
    );
    await processor.said();
    const beside = async (name: "envoy" | "go") =>
      owned.use(
        await startEnvoyBeside({
          name: `Envoy of the path ${name}`,
          envoy: envoyPath,
          config: gateway.local.config,
          broker: { kind: "unix", path: `${dir}/no-broker.sock` },
          ...(name === "go"
            ? { processor: { kind: "unix", path: socket } }
            : {}),
        }),
      );
    return new World({
      tools,
      envoyPath,
      server,
      gateway,
      processor,
      beside: { envoy: await beside("envoy"), go: await beside("go") },
    }, owned.move());
  }

  /** Sessions at the gateway, opened as they are needed. */
  async sessions(count: number): Promise<readonly string[]> {
    while (this.#sessions.length < count) {
      const { session } = await this.gateway.connect();
      this.#sessions.push(session ?? "");
    }
    return this.#sessions.slice(0, count);
  }

  /**
   * Calls for a while on every path: code that runs often is compiled by then.
   *
   * @throws {Error} Where a call fails.
   */
  async warmUp(): Promise<void> {
    const sessions = await this.sessions(WARM_CLIENTS);
    for (const era of ["session", "stateless"] as const) {
      for (const path of ["envoy", "go", "gateway"] as const) {
        const { address, target, tool } = this.call(
          path,
          era,
          "prefixed",
          "echo",
        );
        const { failures, firstFailure } = await runCampaign(this.tools, {
          address,
          connections: WARM_CLIENTS,
          durationMs: WARM_MS,
          sessions,
          steps: [{
            ...sizedCall(era, tool, 300, target),
            ...toolAnswer(era, "ok"),
          }],
        });
        if (failures > 0) throw new Error(`Cannot get warm: ${firstFailure}`);
      }
    }
  }

  /** Process ids of the gateway. */
  get pids(): Readonly<Record<"envoy" | "router" | "broker", number>> {
    const { envoy, router, broker } = this.gateway.local;
    return { envoy: envoy.pid, router: router.pid, broker: broker.pid };
  }

  /** Where a call goes. */
  call(path: PathName, era: Era, naming: Naming, tool: string): CallTarget {
    const { name, names } = SERVERS[era][naming];
    const server = configOf(this.gateway, name);
    const plain = {
      path: `/mcp?names=${names}`,
      host: this.server.address,
      headers: {},
    };
    const pids = { server: this.server.pid };
    switch (path) {
      case "direct":
        return {
          address: this.server.address,
          target: plain,
          tool: `${names}${tool}`,
          pids,
        };
      case "envoy": {
        const { address, pid } = this.#beside.envoy;
        return {
          address,
          // What the router would set: the same route matches.
          target: {
            ...plain,
            host: server.hostname,
            headers: routeHeaders(server),
          },
          tool: `${names}${tool}`,
          pids: { ...pids, envoy: pid },
        };
      }
      case "go": {
        const { address, pid, adminUrl } = this.#beside.go;
        return {
          address,
          target: { path: "/mcp", host: address, headers: {} },
          tool: `${server.prefix}${names}${tool}`,
          pids: { ...pids, envoy: pid, processor: this.#processor.pid },
          adminUrl,
        };
      }
      case "gateway": {
        const { port, envoyAdminUrl } = this.gateway.local;
        const { envoy, router, broker } = this.pids;
        const address = `127.0.0.1:${port}`;
        return {
          address,
          target: { path: "/mcp", host: address, headers: {} },
          tool: `${server.prefix}${names}${tool}`,
          pids: { ...pids, envoy, processor: router, broker },
          adminUrl: envoyAdminUrl,
        };
      }
      default:
        return path satisfies never;
    }
  }

  /** Ends everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

/** Finds Envoy as the gateway does. */
export function benchEnvoy(): Promise<string> {
  const env = (name: string) => Deno.env.get(name);
  return findEnvoy({
    cacheDir: defaultCacheDir(env),
    env,
    progress: (line) => console.error(line),
  });
}

/** Messages that Envoy has sent to its external processor so far. */
export async function messagesSent(adminUrl: string): Promise<number> {
  const response = await fetch(
    `${adminUrl}/stats?filter=ext_proc.stream_msgs_sent$`,
  );
  return Number(/: (\d+)/.exec(await response.text())?.[1] ?? NaN);
}

function serverEntries({ address }: BenchServer): readonly ServerEntry[] {
  return Object.entries(SERVERS).flatMap(([era, byNaming]) =>
    Object.entries(byNaming).map(([naming, { name, names }]) => ({
      name,
      url: `http://${address}/mcp?names=${names}`,
      era,
      ...(naming === "prefixed" ? { prefix: `${name}_` } : {}),
    }))
  );
}

function configOf({ local }: TestGateway, name: string): ServerConfig {
  const found = local.config.servers.find((server) => server.name === name);
  if (found === undefined) throw new Error(`Cannot find server ${name}`);
  return found;
}

function routeHeaders(server: ServerConfig): Readonly<Record<string, string>> {
  return {
    [DESTINATION_HEADER]: server.name,
    [UPSTREAM_HEADER]: server.fingerprint,
  };
}

/** What the processor in Go does with calls of each server's tools. */
function rules(gateway: TestGateway): readonly object[] {
  return Object.values(SERVERS).flatMap(({ prefixed, plain }) =>
    [prefixed, plain].map(({ name, names }) => {
      const server = configOf(gateway, name);
      const { pathname, search } = new URL(server.url);
      return {
        match: `"name":"${server.prefix}${names}`,
        ...(server.prefix === "" ? {} : { replace: `"name":"${names}` }),
        headers: {
          ":authority": server.hostname,
          ":path": pathname + search,
          ...routeHeaders(server),
        },
      };
    })
  );
}

/**
 * Has the processor in Go asked in the phases in which the router is: looks how
 * many messages a call of either era costs, the second one of a session.
 */
async function samePhases(gateway: TestGateway): Promise<readonly string[]> {
  const { envoyAdminUrl } = gateway.local;
  const client = await RawClient.connect(gateway.url);
  const modern = new StatelessClient(gateway.url);
  const asks = async (call: () => Promise<unknown>) => {
    await call();
    const before = await messagesSent(envoyAdminUrl);
    await call();
    const messages = await messagesSent(envoyAdminUrl) - before;
    if (messages === 2 || messages === 3) return messages === 3;
    throw new Error(`Cannot do as the router: a call is ${messages} messages`);
  };
  const session = await asks(() => client.call("session_echo"));
  const stateless = await asks(() => modern.call("stateless_echo"));
  return [
    `-session-responses=${session}`,
    `-stateless-responses=${stateless}`,
  ];
}
