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

import { defaultCacheDir, findEnvoy } from "../../shared/local/envoy_binary.ts";
import type { Era } from "../../shared/mcp.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { RawClient } from "../support/raw_client.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { type BenchServer, startBenchServer } from "./bench_server.ts";
import { BenchTool, runCampaign } from "./bench_tools.ts";
import { type EnvoyBeside, startEnvoyBeside } from "./envoy_beside.ts";
import { sizedCall, type Target, toolAnswer } from "./requests.ts";
import {
  type Naming,
  processorRules,
  routeHeaders,
  serverEntries,
  serverOf,
} from "./servers.ts";

/** What a request passes on its way to the server. */
export type PathName = "direct" | "envoy" | "go" | "gateway";

const WARM_CLIENTS = 16;
const WARM_MS = 1_500;

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
        servers: serverEntries(server.address),
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
        `-rules=${JSON.stringify(processorRules(gateway.local.config))}`,
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
    const { server, names } = serverOf(
      this.gateway.local.config,
      era,
      naming,
    );
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
