/**
 * The gateway as it is installed in a cluster: an API server with our
 * manifests, controller, router and broker with the service accounts of those,
 * and real MCP servers, each at an address of a network of the test's own.
 *
 * What a cluster would do besides is done here: nothing schedules pods, hence
 * the EndpointSlices of Services are written by hand.
 *
 * @module
 */

import { LocalProcess } from "../../shared/local/processes.ts";
import { programArgs, programReady } from "../../shared/local/programs.ts";
import { startEveryFeatureStateless } from "../fixtures/every_feature_stateless.ts";
import { startEveryFeatureV2 } from "../fixtures/every_feature_v2.ts";
import { startSdkV1Server } from "../fixtures/sdk_v1_server.ts";
import { answers, Cluster } from "./_cluster.ts";
import type { KubeObject } from "./_client.ts";
import { HOME, sourceArgs, writeServiceAccount } from "./_controller.ts";
import { until } from "./_kube.ts";
import type { KubeTools } from "./_kube_tools.ts";
import { nameHosts } from "./_network.ts";
import { manifestFiles, MANIFESTS_DIR } from "./_world.ts";

/** The Gateway of our samples. */
export const GATEWAY = "mcp";
/** A team's namespace, of our samples. */
export const TEAM = "weather-team";
/** Host that clients use, of our samples. */
export const PUBLIC_HOST = "mcp.example.com";
/** Where clients connect. */
export const URL_FOR_CLIENTS = `http://${PUBLIC_HOST}/mcp`;

/** Addresses, each of a Service. */
export const ADDRESS = {
  envoy: "10.96.10.1",
  gateway: "10.96.10.2",
  weather: "10.96.10.3",
  features: "10.96.10.4",
} as const;
const PORT = {
  // Not the Service's: Envoy Gateway takes that one of every address.
  broker: 18080,
  brokerInternal: 9090,
  router: 50051,
  routerInternal: 9091,
  controllerInternal: 9092,
} as const;
/** Port of both MCP servers. */
const SERVER_PORT = 9001;

/** What a test installs. */
export interface InstallationOptions {
  /** Folders of resource definitions, besides the Gateway API's. */
  readonly definitions: readonly string[];
  /** Hosts that lead to Envoy, besides the one for clients. */
  readonly hosts?: readonly string[];
  /** Further arguments of the router. */
  readonly routerArgs?: readonly string[];
}

/** A gateway that is installed; disposing of it ends all of it. */
export class Installation implements AsyncDisposable {
  /** The API server. */
  readonly cluster: Cluster;
  /** Our programs, by name. */
  readonly programs: {
    readonly controller: LocalProcess;
    readonly router: LocalProcess;
    readonly broker: LocalProcess;
  };
  readonly #owned: AsyncDisposableStack;

  private constructor(
    cluster: Cluster,
    programs: Installation["programs"],
    owned: AsyncDisposableStack,
  ) {
    this.cluster = cluster;
    this.programs = programs;
    this.#owned = owned;
  }

  /** Installs a gateway; there is no Gateway for it yet, nor a server. */
  static async start(
    tools: KubeTools,
    options: InstallationOptions,
  ): Promise<Installation> {
    await using stack = new AsyncDisposableStack();
    await nameHosts({
      [ADDRESS.envoy]: [PUBLIC_HOST, ...(options.hosts ?? [])],
      [ADDRESS.gateway]: [`mcp-gateway.${HOME}.svc.cluster.local`],
      [ADDRESS.weather]: [`weather.${TEAM}.svc.cluster.local`],
      [ADDRESS.features]: [`features.${TEAM}.svc.cluster.local`],
    });
    startServers(stack);
    const cluster = stack.use(await Cluster.start(tools));
    for (const folder of options.definitions) {
      for await (const { name } of Deno.readDir(folder)) {
        await cluster.admin.applyFile(`${folder}/${name}`);
      }
    }
    await applyObjects(cluster);
    const programs = await startPrograms(cluster, options, stack);
    return new Installation(cluster, programs, stack.move());
  }

  /** Makes a Service of the Gateway's proxy, by whose name it is known. */
  async exposeProxy(
    name: string,
    ports: readonly ServicePort[],
  ): Promise<void> {
    await applyService(this.cluster, {
      namespace: HOME,
      name,
      address: ADDRESS.envoy,
      ports,
      labels: { "gateway.networking.k8s.io/gateway-name": GATEWAY },
    });
  }

  /** Applies one of the manifests' samples as it is. */
  async applySample(name: string): Promise<void> {
    await this.cluster.admin.applyFile(`${MANIFESTS_DIR}/samples/${name}.yaml`);
  }

  /** Applies what leads to a second server of that team, not registered. */
  async routeToFeatures(): Promise<void> {
    const { admin } = this.cluster;
    await admin.apply({
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "HTTPRoute",
      metadata: { name: "features", namespace: TEAM },
      spec: {
        parentRefs: [{
          name: GATEWAY,
          namespace: HOME,
          sectionName: "servers",
        }],
        hostnames: ["features.mcp.local"],
        rules: [{ backendRefs: [{ name: "features", port: SERVER_PORT }] }],
      },
    });
    // As the sample's, for Envoy Gateway alone.
    await admin.apply({
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "ReferenceGrant",
      metadata: { name: "features", namespace: TEAM },
      spec: {
        from: [{
          group: "gateway.networking.k8s.io",
          kind: "HTTPRoute",
          namespace: HOME,
        }],
        to: [{ group: "", kind: "Service", name: "features" }],
      },
    });
  }

  /** The last lines of all programs and of others, for a test that failed. */
  lastLines(...others: readonly LocalProcess[]): string {
    const more = [...Object.values(this.programs), ...others].flatMap((
      { name, log },
    ) => log.slice(-SHOWN_LINES).map((line) => `${name}: ${line}`));
    return [this.cluster.lastLines, ...more].join("\n");
  }

  /** Ends all of it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

/** A team's registration of one of its servers. */
export function registration(
  name: string,
  spec: Readonly<Record<string, unknown>> = {},
): KubeObject {
  return {
    apiVersion: "mcp.kuadrant.io/v1",
    kind: "MCPServerRegistration",
    metadata: { name, namespace: TEAM },
    spec: { targetRef: { name }, ...spec },
  };
}

/** Waits until a condition of an object is as wanted; returns its message. */
export async function untilCondition(
  { cluster }: Installation,
  object: KubeObject,
  type: string,
  want: string,
): Promise<string> {
  let have = "no condition";
  try {
    return await until(want, async () => {
      const { status } = await cluster.admin.get(object);
      const found = status?.conditions?.find((one: { type: string }) =>
        one.type === type
      );
      have = `${found?.status} ${found?.reason}: ${found?.message}`;
      return `${found?.status} ${found?.reason}` === want
        ? String(found.message)
        : undefined;
    });
  } catch (cause) {
    throw new Error(`${cause}; ${type} is ${have}`, { cause });
  }
}

/** A port of a Service. */
export interface ServicePort {
  /** Its name. */
  readonly name: string;
  /** Its number, the same at the Service and behind it. */
  readonly port: number;
  /** What is spoken there. */
  readonly appProtocol?: string;
}

const SHOWN_LINES = 40;

/** Real servers: one whose other path has another server, one of every kind of tool. */
function startServers(stack: AsyncDisposableStack): void {
  const weather = stack.use(startSdkV1Server());
  const moved = stack.use(startSdkV1Server({ toolNames: "moved_" }));
  const features = stack.use(startEveryFeatureV2());
  const stateless = stack.use(startEveryFeatureStateless());
  listenAt(stack, ADDRESS.weather, { "/mcp": weather.url, "/v2": moved.url });
  listenAt(stack, ADDRESS.features, {
    "/mcp": features.url,
    "/stateless": stateless.url,
  });
}

/** Serves each path of an address by the server of a URL. */
function listenAt(
  stack: AsyncDisposableStack,
  hostname: string,
  paths: Readonly<Record<string, string>>,
): void {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 50 });
  stack.defer(() => client.close());
  const server = Deno.serve(
    {
      ...{ hostname, port: SERVER_PORT, onListen: () => {} },
      // A client that left is no failure of the server's.
      onError: () => new Response(null, { status: 502 }),
    },
    async (request) => {
      const target = paths[new URL(request.url).pathname];
      if (target === undefined) return new Response(null, { status: 404 });
      return await fetch(target, {
        ...{ method: request.method, headers: request.headers, client },
        ...(request.body === null ? {} : { body: await request.text() }),
      });
    },
  );
  stack.defer(() => server.shutdown());
}

/** Applies the manifests, and what a test's servers are reached by. */
async function applyObjects(cluster: Cluster): Promise<void> {
  const [namespace, ...rest] = await manifestFiles();
  if (namespace === undefined) throw new Error("There are no manifests");
  await cluster.admin.applyFile(namespace);
  // Before the manifests, since an address is given once only.
  await applyService(cluster, {
    namespace: HOME,
    name: "mcp-gateway",
    address: ADDRESS.gateway,
    ports: [
      { name: "http", port: 8080, appProtocol: "http" },
      { name: "grpc", port: PORT.router, appProtocol: "grpc" },
    ],
  });
  for (const file of rest) await cluster.admin.applyFile(file);
  // They may name its ports otherwise.
  await applyEndpoints(cluster, HOME, "mcp-gateway", ADDRESS.gateway, {
    8080: PORT.broker,
  });
  await cluster.createNamespace(TEAM);
  for (const name of ["weather", "features"] as const) {
    await applyService(cluster, {
      namespace: TEAM,
      name,
      address: ADDRESS[name],
      ports: [{ name: "http", port: SERVER_PORT, appProtocol: "http" }],
    });
  }
}

async function applyService(
  cluster: Cluster,
  { namespace, name, address, ports, labels = {} }: {
    readonly namespace: string;
    readonly name: string;
    readonly address: string;
    readonly ports: readonly ServicePort[];
    readonly labels?: Readonly<Record<string, string>>;
  },
): Promise<void> {
  await cluster.admin.apply({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace, labels },
    spec: {
      clusterIP: address,
      ports,
      ...(Object.keys(labels).length === 0 ? {} : { selector: labels }),
    },
  });
  await applyEndpoints(cluster, namespace, name, address);
}

/** Has a Service lead to its own address, at its own ports or others. */
async function applyEndpoints(
  { admin }: Cluster,
  namespace: string,
  name: string,
  address: string,
  targets: Readonly<Record<number, number>> = {},
): Promise<void> {
  const { spec } = await admin.get({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
  });
  await admin.apply({
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-1`,
      namespace,
      labels: { "kubernetes.io/service-name": name },
    },
    addressType: "IPv4",
    ports: (spec.ports as ServicePort[]).map(({ name, port }) => ({
      name,
      port: targets[port] ?? port,
      protocol: "TCP",
    })),
    endpoints: [{ addresses: [address], conditions: { ready: true } }],
  });
}

async function startPrograms(
  cluster: Cluster,
  { routerArgs = [] }: InstallationOptions,
  stack: AsyncDisposableStack,
): Promise<Installation["programs"]> {
  const { hostname, port } = new URL(cluster.url);
  const env = {
    KUBERNETES_SERVICE_HOST: hostname,
    KUBERNETES_SERVICE_PORT: port,
  };
  // Before the programs, hence removed after they have ended.
  const state = await Deno.makeTempDir({ prefix: "installation-test-" });
  stack.defer(() => Deno.remove(state, { recursive: true }));
  const own = await serviceAccountDir(cluster, "mcp-gateway", stack);
  const account = await serviceAccountDir(
    cluster,
    "mcp-gateway-controller",
    stack,
  );
  const processes: LocalProcess[] = [];
  // Side by side: each may take its time to finish what it does.
  stack.defer(async () => {
    await Promise.all(processes.map((process) => process.stop()));
  });
  const program = (name: string, args: readonly string[], internal: number) => {
    const process = new LocalProcess({
      name,
      command: Deno.execPath(),
      args,
      env,
      // Without a configuration router and broker listen, and are not ready.
      ready: (signal) =>
        answers(name, `http://${ADDRESS.gateway}:${internal}/healthz`, signal),
    });
    processes.push(process);
    return process;
  };

  const access = { read: [own, state], write: [state] };
  const common = {
    config: `kube:${HOME}/mcp-gateway-config`,
    "service-account-dir": own,
    "state-dir": state,
    "drain-delay-seconds": 0,
    "drain-seconds": 1,
  };
  const broker = program(
    "broker",
    programArgs("broker", access, {
      ...common,
      listen: `${ADDRESS.gateway}:${PORT.broker}`,
      "internal-listen": `${ADDRESS.gateway}:${PORT.brokerInternal}`,
    }),
    PORT.brokerInternal,
  );
  const router = program(
    "router",
    programArgs("router", access, {
      ...common,
      listen: `${ADDRESS.gateway}:${PORT.router}`,
      "internal-listen": `${ADDRESS.gateway}:${PORT.routerInternal}`,
      "grpc-server": "own",
      "catalog-url": `http://${ADDRESS.gateway}:${PORT.brokerInternal}`,
    }, routerArgs),
    PORT.routerInternal,
  );
  const controller = program(
    "controller",
    [
      ...sourceArgs(account),
      `--service-account-dir=${account}`,
      `--internal-listen=${ADDRESS.gateway}:${PORT.controllerInternal}`,
    ],
    PORT.controllerInternal,
  );
  const programs = { controller, router, broker };
  await Promise.all(processes.map((process) => process.start()));
  await programReady(
    `http://${ADDRESS.gateway}:${PORT.controllerInternal}`,
    AbortSignal.timeout(READY_MS),
  );
  return programs;
}

const READY_MS = 60_000;

/** A folder as every pod has it: token, namespace, CA. */
async function serviceAccountDir(
  cluster: Cluster,
  name: string,
  stack: AsyncDisposableStack,
): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: `${name}-account-` });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await writeServiceAccount(cluster, HOME, name, dir);
  return dir;
}
