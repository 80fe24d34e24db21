/**
 * A broker as a program on a test's cluster, that takes its configuration from
 * the ConfigMap with the rights of the gateway's Role.
 *
 * @module
 */

import { BROKER_OPTIONS } from "../../broker/options.ts";
import {
  permissionFlags,
  RECIPES,
} from "../../shared/local/build/permissions.ts";
import { LocalProcess } from "../../shared/local/processes.ts";
import { environmentNames } from "../../shared/options.ts";
import type { Status } from "../../shared/status.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import type { Cluster } from "./_cluster.ts";
import { CONFIG, HOME, writeServiceAccount } from "./_controller.ts";

/** A broker; disposing of it ends it. */
export class Broker implements AsyncDisposable {
  /** Its process. */
  readonly process: LocalProcess;
  readonly #address: () => string;
  readonly #owned: AsyncDisposableStack;

  private constructor(
    process: LocalProcess,
    address: () => string,
    owned: AsyncDisposableStack,
  ) {
    this.process = process;
    this.#address = address;
    this.#owned = owned;
  }

  /** Starts one. */
  static async start(cluster: Cluster): Promise<Broker> {
    await using stack = new AsyncDisposableStack();
    const dir = await Deno.makeTempDir({ prefix: "broker-test-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    await writeServiceAccount(cluster, HOME, "mcp-gateway", dir);
    const { hostname, port } = new URL(cluster.url);
    const flags = permissionFlags(
      RECIPES.broker,
      {
        ...{ config: dir, secrets: dir, serviceAccount: dir },
        ...{ state: dir, sockets: dir },
      },
      environmentNames(BROKER_OPTIONS),
    );
    let address = "";
    const process = stack.use(
      new LocalProcess({
        name: "broker",
        command: Deno.execPath(),
        args: [
          ...["run", "--no-check", ...flags, `${PROJECT_DIR}/broker/main.ts`],
          ...[`--config=kube:${HOME}/${CONFIG}`, `--state-dir=${dir}`],
          ...[`--service-account-dir=${dir}`, "--store=memory"],
          ...["--listen=127.0.0.1:0", "--internal-listen=127.0.0.1:0"],
          "--drain-delay-seconds=0",
        ],
        env: {
          KUBERNETES_SERVICE_HOST: hostname,
          KUBERNETES_SERVICE_PORT: port,
        },
        onLine: (line) => {
          if (!line.startsWith("{")) return;
          const { message, listener, address: at } = JSON.parse(line);
          if (message === "listening" && listener === "internal") address = at;
        },
      }),
    );
    await process.start();
    return new Broker(process, () => address, stack.move());
  }

  /** Why it takes no traffic; nothing where it does. */
  async notReady(): Promise<string | undefined> {
    const address = this.#address();
    if (address === "") return "it does not listen yet";
    const answer = await fetch(`http://${address}/readyz`);
    const text = await answer.text();
    return answer.ok ? undefined : text;
  }

  /** Names of the servers that it has in force. */
  async servers(): Promise<readonly string[]> {
    const answer = await fetch(`http://${this.#address()}/status`);
    const { servers } = await answer.json() as Status;
    return servers.map(({ name, state }) =>
      state === "disabled" ? `${name} disabled` : name
    );
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}
