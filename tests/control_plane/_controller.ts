/**
 * The controller as a program on a test's cluster, with exactly the rights that
 * the manifests give it, and what tests ask of it: a Gateway of Istio's, one
 * server behind it, and a broker that has in force whatever is written.
 *
 * @module
 */

import { assert } from "@std/assert";
import { stringify } from "@std/yaml";
import { CONTROLLER_OPTIONS } from "../../controller/options.ts";
import { statusFor } from "../../controller/plan/_testing.ts";
import type { GatewayConfig } from "../../shared/config/model.ts";
import { parseConfig } from "../../shared/config/parse.ts";
import {
  permissionFlags,
  RECIPES,
  SYSTEM_DIRECTORIES,
} from "../../shared/local/build/permissions.ts";
import { LocalProcess } from "../../shared/local/processes.ts";
import { environmentNames } from "../../shared/options.ts";
import type { Status } from "../../shared/status.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import { KubeError, type KubeObject } from "./_client.ts";
import type { Cluster } from "./_cluster.ts";
import { until } from "./_kube.ts";

/** Namespace of the gateway and its controller. */
export const HOME = "mcp-system";
/** Namespace of those who register servers. */
export const TEAM = "team";
/** Name of the configuration. */
export const CONFIG = "mcp-gateway-config";
/** Name of the credentials. */
export const CREDENTIALS = "mcp-gateway-credentials";
/** Name of the Lease. */
export const LEASE = "mcp-gateway-controller";

/** EnvoyFilters, as far as an API server has to know them. */
export const ENVOY_FILTERS = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: envoyfilters.networking.istio.io}
spec:
  group: networking.istio.io
  names: {kind: EnvoyFilter, plural: envoyfilters, listKind: EnvoyFilterList, singular: envoyfilter}
  scope: Namespaced
  versions:
  - name: v1alpha3
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}
`;

/** A Gateway of Istio's, and one server behind it. */
export const GATEWAY = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: istio}
spec: {controllerName: istio.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: ${HOME}}
spec:
  gatewayClassName: istio
  listeners:
  - {name: mcp, hostname: mcp.example.test, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
  - {name: servers, hostname: "*.mcp.local", port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPGatewayExtension
metadata: {name: main, namespace: ${HOME}}
spec: {targetRef: {name: gw, sectionName: mcp}}
---
apiVersion: v1
kind: Service
metadata: {name: weather, namespace: ${TEAM}}
spec: {ports: [{name: http, port: 9001}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: weather, namespace: ${TEAM}}
spec:
  parentRefs: [{name: gw, namespace: ${HOME}, sectionName: servers}]
  hostnames: [weather.mcp.local]
  rules: [{backendRefs: [{name: weather, port: 9001}]}]
`;

/** A registration of the server behind the Gateway. */
export function registration(
  spec: Readonly<Record<string, unknown>> = {},
  name = "weather",
): KubeObject {
  return {
    apiVersion: "mcp.kuadrant.io/v1",
    kind: "MCPServerRegistration",
    metadata: { name, namespace: TEAM },
    spec: { targetRef: { name: "weather" }, prefix: "weather_", ...spec },
  };
}

/** A route to that server by a host of its own, and its registration. */
export function serverOf(
  name: string,
  spec: Readonly<Record<string, unknown>> = {},
): readonly [route: KubeObject, registration: KubeObject] {
  return [
    {
      ...named("HTTPRoute", name, TEAM),
      apiVersion: "gateway.networking.k8s.io/v1",
      spec: {
        parentRefs: [{ name: "gw", namespace: HOME, sectionName: "servers" }],
        hostnames: [`${name}.mcp.local`],
        rules: [{ backendRefs: [{ name: "weather", port: 9001 }] }],
      },
    },
    registration(
      {
        targetRef: { name },
        prefix: `${name.replaceAll("-", "_")}_`,
        ...spec,
      },
      name,
    ),
  ];
}

/** An object of the core, by kind and name. */
export function named(
  kind: string,
  name: string,
  namespace = HOME,
): KubeObject {
  return { apiVersion: "v1", kind, metadata: { name, namespace } };
}

/** The extension that makes the Gateway an MCP gateway. */
export const EXTENSION: KubeObject = {
  ...named("MCPGatewayExtension", "main"),
  apiVersion: "mcp.kuadrant.io/v1",
};

/** Reads an object; undefined where it is not there. */
export async function look(
  { admin }: Cluster,
  object: KubeObject,
): Promise<KubeObject | undefined> {
  try {
    return await admin.get(object);
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return undefined;
    throw error;
  }
}

/** What router and broker would read now. */
export async function configOf(
  cluster: Cluster,
): Promise<GatewayConfig | undefined> {
  const found = await look(cluster, named("ConfigMap", CONFIG));
  if (found === undefined) return undefined;
  const read = parseConfig(found.data["config.yaml"], { file: "config.yaml" });
  assert(read.ok, stringify(found.data));
  return read.config;
}

/** `Ready=True Ready`, of one object. */
export async function conditionOf(
  cluster: Cluster,
  object: KubeObject,
  type: string,
): Promise<string> {
  const found = await look(cluster, object);
  const one = found?.status?.conditions?.find((
    condition: { type: string },
  ) => condition.type === type);
  return `${one?.status} ${one?.reason}`;
}

/** How to start a controller. */
export interface ControllerOptions {
  /** More arguments, after ours. */
  readonly args?: readonly string[];
  /** An executable; the sources, with an executable's permissions, else. */
  readonly executable?: string;
  /**
   * Writes the command that runs it, with its service account where pods have
   * it, from arguments and variables. Used instead of an executable.
   */
  readonly launch?: (
    args: readonly string[],
    env: Readonly<Record<string, string>>,
  ) => Promise<{ readonly command: string; readonly args: readonly string[] }>;
  /** Outside of the cluster, with a kubeconfig: then as `deno run -A`. */
  readonly outside?: boolean;
  /** Directory of its service account, made and filled. */
  readonly serviceAccountDir?: string;
  /**
   * What each broker replica says that has a configuration. Default: one, by
   * which every server is ready.
   */
  readonly brokers?: readonly ((config: GatewayConfig) => Status)[];
  /** What it is called. Default `controller`. */
  readonly name?: string;
}

/** What a controller says of itself at `/status`. */
export interface ControllerStatus {
  /** Its name among its replicas. */
  readonly identity: string;
  /** Whether it may write. */
  readonly leads: boolean;
  /** Identity of whoever does, as it has heard. */
  readonly leader?: string;
  /** What it did last. */
  readonly lastPlan?: {
    readonly durationMs: number;
    readonly servers: number;
    readonly writes: number;
  };
  /** Plans that wait, run, were begun. */
  readonly queue: {
    readonly waiting: number;
    readonly running: number;
    readonly attempts: number;
  };
  /** Statuses that it has not written yet, and that it has. */
  readonly statuses: { readonly waiting: number; readonly written: number };
  /** What it watches. */
  readonly watches: readonly {
    readonly kind: string;
    readonly lists: number;
  }[];
}

/** The controller, and a broker that has in force whatever is written. */
export class Controller implements AsyncDisposable {
  /** Its process. */
  readonly process: LocalProcess;
  readonly #owned: AsyncDisposableStack;
  readonly #internal: () => string;

  private constructor(
    process: LocalProcess,
    internal: () => string,
    owned: AsyncDisposableStack,
  ) {
    this.process = process;
    this.#internal = internal;
    this.#owned = owned;
  }

  /** Starts one, with the rights that the manifests give it and no others. */
  static async start(
    cluster: Cluster,
    options: ControllerOptions = {},
  ): Promise<Controller> {
    await using stack = new AsyncDisposableStack();
    let { serviceAccountDir: dir } = options;
    if (dir === undefined) {
      dir = await Deno.makeTempDir({ prefix: "controller-test-" });
      const made = dir;
      stack.defer(() => Deno.remove(made, { recursive: true }));
    }
    await writeServiceAccount(cluster, HOME, "mcp-gateway-controller", dir);
    const urls = (options.brokers ?? [(config) => statusFor(config)]).map(
      (say) => {
        const broker = Deno.serve(
          { hostname: "127.0.0.1", port: 0, onListen: () => {} },
          async () => {
            // The API server may be away.
            const config = await configOf(cluster).catch(() => undefined);
            return config === undefined
              ? new Response(null, { status: 503 })
              : Response.json(say(config));
          },
        );
        stack.defer(() => broker.shutdown());
        return `http://127.0.0.1:${broker.addr.port}`;
      },
    );
    const { hostname, port } = new URL(cluster.url);
    let address = "";
    const env = options.outside ? {} : {
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: port,
    };
    const args = [
      "--broker-poll-seconds=1",
      `--broker-status-urls=${urls.join(",")}`,
      "--internal-listen=127.0.0.1:0",
      ...(options.args ?? []),
    ];
    const launch = await options.launch?.(args, env) ?? {
      command: options.executable ?? Deno.execPath(),
      args: [
        ...(options.outside
          ? [
            ...["run", "--no-check", "-A"],
            `${PROJECT_DIR}/controller/main.ts`,
            `--kubeconfig=${await writeKubeconfig(cluster, dir)}`,
          ]
          : [
            ...(options.executable === undefined ? sourceArgs(dir) : []),
            `--service-account-dir=${dir}`,
          ]),
        ...args,
      ],
    };
    const process = stack.use(
      new LocalProcess({
        name: options.name ?? "controller",
        ...launch,
        env,
        onLine: (line) => {
          if (!line.startsWith("{")) return;
          const { message, address: at } = JSON.parse(line);
          if (message === "listening") address = at;
        },
      }),
    );
    await process.start();
    return new Controller(process, () => address, stack.move());
  }

  /** Asks its internal listener; undefined while there is none. */
  async ask(path: string): Promise<string | undefined> {
    const address = this.#internal();
    if (address === "") return undefined;
    const answer = await fetch(`http://${address}${path}`);
    const text = await answer.text();
    return answer.ok ? text : undefined;
  }

  /** What it says of itself; undefined while it does not listen. */
  async status(): Promise<ControllerStatus | undefined> {
    const text = await this.ask("/status");
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Value of one of its metrics without labels. */
  async metric(name: string): Promise<number> {
    const text = await this.ask("/metrics") ?? "";
    return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  }

  /** Waits until it has carried out everything and has nothing to do. */
  async untilIdle(): Promise<ControllerStatus> {
    return await until("a plan that writes nothing", async () => {
      const status = await this.status();
      const { lastPlan, queue, statuses } = status ?? {};
      return lastPlan?.writes === 0 && queue?.waiting === 0 &&
          queue.running === 0 && statuses?.waiting === 0
        ? status
        : undefined;
    });
  }

  /** Waits until it leads. */
  async untilLeading(): Promise<void> {
    await until(
      `${this.process.name} to lead`,
      async () => (await this.status())?.leads ? true : undefined,
    );
  }

  /** Ends it and its broker. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

/** What a pod finds in the directory of its service account. */
export async function writeServiceAccount(
  cluster: Cluster,
  namespace: string,
  name: string,
  dir: string,
): Promise<void> {
  const token = await cluster.serviceAccountToken(namespace, name);
  await Deno.mkdir(dir, { recursive: true });
  for (
    const [file, text] of Object.entries({
      token,
      namespace,
      "ca.crt": cluster.caCert,
    })
  ) await Deno.writeTextFile(`${dir}/${file}`, text);
}

/** Writes what one outside of the cluster has instead, for the same account. */
async function writeKubeconfig(
  cluster: Cluster,
  dir: string,
): Promise<string> {
  const file = `${dir}/kubeconfig`;
  const name = "test";
  const token = await Deno.readTextFile(`${dir}/token`);
  await Deno.writeTextFile(
    file,
    stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{
        name,
        cluster: {
          server: cluster.url,
          "certificate-authority-data": btoa(cluster.caCert),
        },
      }],
      users: [{ name, user: { token } }],
      contexts: [{
        name,
        context: { cluster: name, user: name, namespace: HOME },
      }],
      "current-context": name,
    }),
    { mode: 0o600 },
  );
  return file;
}

/** Runs the sources as an executable would run, as far as `deno run` can. */
export function sourceArgs(serviceAccount: string): readonly string[] {
  const directories = { ...SYSTEM_DIRECTORIES, serviceAccount };
  const variables = environmentNames(CONTROLLER_OPTIONS);
  return [
    ...["run", "--no-check"],
    ...permissionFlags(RECIPES.controller, directories, variables),
    `${PROJECT_DIR}/controller/main.ts`,
  ];
}

/** Runs a test with a controller, whose words are shown if it fails. */
export async function withController(
  cluster: Cluster,
  test: (controller: Controller) => Promise<void>,
  options: ControllerOptions = {},
): Promise<void> {
  await cluster.admin.applyYaml(GATEWAY);
  const controller = await Controller.start(cluster, options);
  try {
    await test(controller);
  } catch (cause) {
    throw new Error(`${cause}\n${controller.process.log.join("\n")}`, {
      cause,
    });
  } finally {
    await controller[Symbol.asyncDispose]();
    await cleanUp(cluster);
  }
}

/** Opens the Secrets of a namespace to the controller, as its owner would. */
export async function openSecrets(
  { admin }: Cluster,
  namespace: string,
): Promise<void> {
  await admin.apply({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: "mcp-gateway-credentials", namespace },
    roleRef: {
      apiGroup: "rbac.authorization.k8s.io",
      kind: "ClusterRole",
      name: "mcp-gateway-credentials",
    },
    subjects: [{
      ...{ kind: "ServiceAccount", namespace: HOME },
      name: "mcp-gateway-controller",
    }],
  });
}

/** Takes away what a test leaves to the next one. */
export async function cleanUp(cluster: Cluster): Promise<void> {
  for (const kind of ["mcpserverregistrations", "mcpvirtualservers"]) {
    await cluster.admin.request(
      "DELETE",
      `/apis/mcp.kuadrant.io/v1/namespaces/${TEAM}/${kind}`,
    );
  }
  for (
    const object of [
      EXTENSION,
      named("ConfigMap", CONFIG),
      named("Secret", CREDENTIALS),
    ]
  ) {
    if (await look(cluster, object) !== undefined) {
      await cluster.admin.delete(object);
    }
  }
}

/** Waits until the configuration has these, `name prefix state`, in order. */
export async function untilServers(
  cluster: Cluster,
  want: readonly string[],
): Promise<void> {
  await until(`servers ${JSON.stringify(want)}`, async () => {
    const config = await configOf(cluster);
    const have = config?.servers.map(({ name, prefix, state }) =>
      `${name} ${prefix} ${state}`
    );
    return JSON.stringify(have) === JSON.stringify(want) ? true : undefined;
  });
}

/** The message of one condition of an object, as it is now. */
export async function messageOf(
  cluster: Cluster,
  object: KubeObject,
  type: string,
): Promise<string> {
  const found = await look(cluster, object);
  return found?.status?.conditions?.find((one: { type: string }) =>
    one.type === type
  )?.message ?? "";
}

/** Waits until a condition is so, `True Ready`. */
export async function untilCondition(
  cluster: Cluster,
  object: KubeObject,
  type: string,
  want: string,
): Promise<void> {
  let have = "";
  try {
    await until(
      `${type} of ${object.metadata.name} to be ${want}`,
      async () => {
        have = await conditionOf(cluster, object, type);
        return have === want ? true : undefined;
      },
    );
  } catch (cause) {
    throw new Error(`${cause}: it is ${have}`, { cause });
  }
}
