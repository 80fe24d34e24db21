/**
 * A whole gateway for tests: real Envoy, router and broker on free ports, with
 * directories of its own.
 *
 * @module
 */

import type { ConfigProblem } from "../../shared/config/model.ts";
import {
  type LocalGateway,
  type LocalGatewayOptions,
  startLocalGateway,
} from "../../shared/local/gateway.ts";
import {
  type ServerState,
  type Status,
  STATUS_PATH,
} from "../../shared/status.ts";
import { ConfigFile, type ServerEntry } from "./config_file.ts";
import { RawClient, type RawClientOptions } from "./raw_client.ts";
import { SILENT } from "../../shared/_testing.ts";
import { eventually } from "./wait.ts";

/** How to start. */
export interface TestGatewayOptions {
  /** Servers in the configuration file. */
  readonly servers: readonly ServerEntry[];
  /** Start without waiting for these: they are meant not to work. */
  readonly unready?: readonly string[];
  /** Changes to how the gateway is run. */
  readonly local?: Partial<LocalGatewayOptions>;
}

/** A gateway under test. */
export class TestGateway implements AsyncDisposable {
  /** What was started. */
  readonly local: LocalGateway;
  /** Its configuration file. */
  readonly config: ConfigFile;
  /** What the gateway said of its file, the last time that changed. */
  readonly problems: () => readonly ConfigProblem[];
  #owned: AsyncDisposable | undefined;

  /** Shows a gateway that runs, and its file. */
  constructor(
    local: LocalGateway,
    config: ConfigFile,
    problems: () => readonly ConfigProblem[],
  ) {
    this.local = local;
    this.config = config;
    this.problems = problems;
  }

  /** Takes over what is to be disposed of with it. */
  own(owned: AsyncDisposable): void {
    this.#owned = owned;
  }

  /** The endpoint for clients. */
  get url(): string {
    return this.local.url;
  }

  /** Folder of the session store and the signing key. */
  get stateDir(): string {
    return this.local.stateDir;
  }

  /** Connects and initializes a client. */
  connect(options: RawClientOptions = {}): Promise<RawClient> {
    return RawClient.connect(this.url, options);
  }

  /** A broker's view of the servers; the first one's unless told. */
  async status(broker = this.local.brokerInternalUrl): Promise<Status> {
    const response = await fetch(new URL(STATUS_PATH, broker));
    return await response.json();
  }

  /** Waits until each broker sees a server in a state. */
  async serverIs(
    name: string,
    state: ServerState,
    deadlineMs?: number,
  ): Promise<void> {
    await eventually(async () => {
      for (const broker of this.local.brokerInternalUrls) {
        const { servers } = await this.status(broker);
        const server = servers.find((server) => server.name === name);
        if (server?.state !== state) {
          throw new Error(
            `${name} is ${server?.state ?? "not there"}, not ${state}: ${
              server?.lastError ?? "no error"
            }`,
          );
        }
      }
    }, deadlineMs === undefined ? {} : { deadlineMs });
  }

  /** One of Envoy's counters or gauges; 0 where there is none of the name. */
  async envoyStat(name: string): Promise<number> {
    const response = await fetch(
      new URL(`/stats?filter=^${name}$`, this.local.envoyAdminUrl),
    );
    const text = await response.text();
    return Number(/: (\d+)/.exec(text)?.[1] ?? 0);
  }

  /** Stops everything and removes what was written. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned?.[Symbol.asyncDispose]();
  }
}

/** Starts a gateway and waits until every server is ready. */
export async function startGateway(
  options: TestGatewayOptions,
): Promise<TestGateway> {
  await using owned = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "gateway-test-" });
  owned.defer(() => Deno.remove(dir, { recursive: true }));
  const config = new ConfigFile(`${dir}/config.json`);
  await config.write(options.servers);
  let problems: readonly ConfigProblem[] = [];
  const local = owned.use(
    await startLocalGateway({
      configFile: config.path,
      port: 0,
      log: SILENT,
      onProblems: (found) => problems = found,
      ...options.local,
    }),
  );
  const gateway = new TestGateway(local, config, () => problems);
  for (const { name } of options.servers) {
    if (options.unready?.includes(name)) continue;
    await gateway.serverIs(name, "ready");
  }
  gateway.own(owned.move());
  return gateway;
}
