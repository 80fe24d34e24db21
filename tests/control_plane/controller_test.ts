/**
 * The controller as a program on a real API server, with exactly the rights
 * that the manifests give it.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { stringify } from "@std/yaml";
import { CONTROLLER_OPTIONS } from "../../controller/options.ts";
import { statusFor } from "../../controller/plan/_testing.ts";
import type { GatewayConfig } from "../../shared/config/model.ts";
import { parseConfig } from "../../shared/config/parse.ts";
import { LocalProcess } from "../../shared/local/processes.ts";
import { environmentNames } from "../../shared/options.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import { KubeError, type KubeObject } from "./_client.ts";
import type { Cluster } from "./_cluster.ts";
import { until } from "./_kube.ts";
import { controlPlane } from "./_world.ts";

const HOME = "mcp-system";
const TEAM = "team";
const CONFIG = "mcp-gateway-config";
const CREDENTIALS = "mcp-gateway-credentials";
const LEASE = "mcp-gateway-controller";

/** EnvoyFilters, as far as an API server has to know them. */
const ENVOY_FILTERS = `
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
const GATEWAY = `
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

const proves = controlPlane({
  manifests: [""],
  setUp: async (cluster) => {
    await cluster.admin.applyYaml(ENVOY_FILTERS);
    await cluster.createNamespace(TEAM);
  },
});

function registration(
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

function named(kind: string, name: string, namespace = HOME): KubeObject {
  return { apiVersion: "v1", kind, metadata: { name, namespace } };
}

const EXTENSION: KubeObject = {
  ...named("MCPGatewayExtension", "main"),
  apiVersion: "mcp.kuadrant.io/v1",
};

/** Reads an object; undefined where it is not there. */
async function look(
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
async function configOf(cluster: Cluster): Promise<GatewayConfig | undefined> {
  const found = await look(cluster, named("ConfigMap", CONFIG));
  if (found === undefined) return undefined;
  const read = parseConfig(found.data["config.yaml"], { file: "config.yaml" });
  assert(read.ok, stringify(found.data));
  return read.config;
}

/** `Ready=True Ready`, of one object. */
async function conditionOf(
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

/** The controller, and a broker that has in force whatever is written. */
class Controller implements AsyncDisposable {
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

  static async start(cluster: Cluster): Promise<Controller> {
    await using stack = new AsyncDisposableStack();
    const token = await cluster.serviceAccountToken(
      HOME,
      "mcp-gateway-controller",
    );
    const dir = await Deno.makeTempDir({ prefix: "controller-test-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    for (
      const [name, text] of Object.entries({
        token,
        namespace: HOME,
        "ca.crt": cluster.caCert,
      })
    ) await Deno.writeTextFile(`${dir}/${name}`, text);
    const broker = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      async () => {
        // The API server may be away.
        const config = await configOf(cluster).catch(() => undefined);
        return config === undefined
          ? new Response(null, { status: 503 })
          : Response.json(statusFor(config));
      },
    );
    stack.defer(() => broker.shutdown());
    const { hostname, port } = new URL(cluster.url);
    let address = "";
    const process = stack.use(
      new LocalProcess({
        name: "controller",
        command: Deno.execPath(),
        args: [
          ...["run", "--no-check", "--no-prompt", "--allow-net"],
          `--allow-read=${dir}`,
          `--allow-env=${environmentNames(CONTROLLER_OPTIONS).join(",")}`,
          "--ignore-env=LOG_STREAM,LOG_TOKENS",
          `${PROJECT_DIR}/controller/main.ts`,
          ...[`--service-account-dir=${dir}`, "--broker-poll-seconds=1"],
          `--broker-status-urls=http://127.0.0.1:${broker.addr.port}`,
          "--internal-listen=127.0.0.1:0",
        ],
        env: {
          KUBERNETES_SERVICE_HOST: hostname,
          KUBERNETES_SERVICE_PORT: port,
        },
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }
}

/** Runs a test with a controller, whose words are shown if it fails. */
async function withController(
  cluster: Cluster,
  test: (controller: Controller) => Promise<void>,
): Promise<void> {
  await cluster.admin.applyYaml(GATEWAY);
  const controller = await Controller.start(cluster);
  try {
    await test(controller);
  } catch (cause) {
    throw new Error(`${cause}\n${controller.process.log.join("\n")}`, {
      cause,
    });
  } finally {
    await controller[Symbol.asyncDispose]();
    for (
      const object of [
        registration(),
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
}

async function untilServers(
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

async function untilCondition(
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

proves(
  "With the rights of its Role alone, a controller makes of registrations a configuration, and says what became of them",
  (cluster) =>
    withController(cluster, async (controller) => {
      const { admin } = cluster;
      await until("readiness", () => controller.ask("/readyz"));
      await admin.apply(registration());
      await untilServers(cluster, ["team/weather weather_ Enabled"]);
      const [server] = (await configOf(cluster))?.servers ?? [];
      assertEquals(
        server?.url,
        "http://weather.team.svc.cluster.local:9001/mcp",
      );
      assertEquals(server?.hostname, "weather.mcp.local");
      for (const type of ["Accepted", "ResolvedRefs", "Programmed", "Ready"]) {
        await untilCondition(cluster, registration(), type, `True ${type}`);
      }
      const { status } = await admin.get(registration());
      assertEquals(status.serverName, "team/weather");
      assertEquals(status.tools, 3);
      const filters = await admin.request<{ items: KubeObject[] }>(
        "GET",
        `/apis/networking.istio.io/v1alpha3/namespaces/${HOME}/envoyfilters`,
      );
      assert(filters.items.length > 0, "the router is not attached");

      // Nothing changes, so nothing is written, though it looks again.
      const objects = [
        registration(),
        EXTENSION,
        named("ConfigMap", CONFIG),
        named("Secret", CREDENTIALS),
        ...filters.items.map((one) => ({
          ...one,
          ...{
            apiVersion: "networking.istio.io/v1alpha3",
            kind: "EnvoyFilter",
          },
        })),
      ];
      const versions = () =>
        Promise.all(
          objects.map(async (one) =>
            (await admin.get(one)).metadata.resourceVersion
          ),
        );
      const plans = async () =>
        JSON.parse(await controller.ask("/status") ?? "{}").queue?.attempts;
      await until("the last plan to write nothing", async () => {
        const { lastPlan, queue } = JSON.parse(
          await controller.ask("/status") ?? "{}",
        );
        return lastPlan?.writes === 0 && queue.waiting === 0 &&
            queue.running === 0
          ? true
          : undefined;
      });
      const before = await versions();
      const planned = await plans();
      await admin.apply({
        ...named("Service", "another", TEAM),
        spec: { ports: [{ port: 1 }] },
      });
      await until("another plan", async () =>
        await plans() > planned ? true : undefined);
      assertEquals(await versions(), before);
      assertStringIncludes(
        await controller.ask("/metrics") ?? "",
        "mcp_gateway_controller_leading 1",
      );

      await admin.apply(registration({ state: "Disabled" }));
      await untilServers(cluster, ["team/weather weather_ Disabled"]);
      await untilCondition(cluster, registration(), "Ready", "False Disabled");
      await admin.apply(registration({ state: "Enabled", path: "/other" }));
      await untilServers(cluster, ["team/weather weather_ Enabled"]);
      await until("the other path", async () =>
        (await configOf(cluster))?.servers[0]?.url.endsWith("/other")
          ? true
          : undefined);

      // A prefix is for life: another one is another registration.
      await admin.delete(registration());
      await untilServers(cluster, []);
      await admin.apply(registration({ prefix: "sky_" }));
      await untilServers(cluster, ["team/weather sky_ Enabled"]);
      await untilCondition(cluster, registration(), "Ready", "True Ready");

      const events = await admin.request<{ items: KubeObject[] }>(
        "GET",
        `/apis/events.k8s.io/v1/namespaces/${TEAM}/events`,
      );
      assert(
        events.items.some(({ reason, regarding }) =>
          reason === "Disabled" && regarding.name === "weather"
        ),
        "nobody was told that it is disabled",
      );

      // Without its extension, the router is attached no more.
      await admin.delete(EXTENSION);
      await until("the router to be taken away", async () => {
        const { items } = await admin.request<{ items: KubeObject[] }>(
          "GET",
          `/apis/networking.istio.io/v1alpha3/namespaces/${HOME}/envoyfilters`,
        );
        return items.length === 0 ? true : undefined;
      });
      await untilCondition(
        cluster,
        registration(),
        "Accepted",
        "False NoGatewayExtension",
      );
    }),
);

proves(
  "A controller does not touch a Secret that somebody else made, and says so",
  async (cluster) => {
    const foreign = {
      ...named("Secret", CREDENTIALS),
      data: { theirs: btoa("secret") },
    };
    const { metadata: before } = await cluster.admin.apply(foreign);
    await withController(cluster, async () => {
      await cluster.admin.apply(registration());
      await untilCondition(cluster, EXTENSION, "Programmed", "False NotOurs");
      await untilCondition(
        cluster,
        registration(),
        "Programmed",
        "False NotOurs",
      );
      const { metadata: after } = await cluster.admin.get(foreign);
      assertEquals(after.resourceVersion, before.resourceVersion);
      assertEquals(await look(cluster, named("ConfigMap", CONFIG)), undefined);
      // Its maker takes it away: that is all it needs.
      await cluster.admin.delete(foreign);
      await untilServers(cluster, ["team/weather weather_ Enabled"]);
      await untilCondition(cluster, registration(), "Ready", "True Ready");
    });
  },
);

proves(
  "A registration's Secret of a namespace that is not open to the controller is not read, until it is",
  (cluster) =>
    withController(cluster, async () => {
      const { admin } = cluster;
      const token = {
        ...named("Secret", "token", TEAM),
        metadata: {
          ...{ name: "token", namespace: TEAM },
          labels: { "mcp.kuadrant.io/secret": "true" },
        },
        data: { token: btoa("Bearer abc") },
      };
      await admin.apply(token);
      await admin.apply(registration({ credentialRef: { name: "token" } }));
      await untilCondition(
        cluster,
        registration(),
        "ResolvedRefs",
        "False SecretNotReadable",
      );
      await admin.apply({
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "RoleBinding",
        metadata: { name: "mcp-gateway-credentials", namespace: TEAM },
        roleRef: {
          apiGroup: "rbac.authorization.k8s.io",
          kind: "ClusterRole",
          name: "mcp-gateway-credentials",
        },
        subjects: [{
          kind: "ServiceAccount",
          name: "mcp-gateway-controller",
          namespace: HOME,
        }],
      });
      await untilServers(cluster, ["team/weather weather_ Enabled"]);
      const { data } = await admin.get(named("Secret", CREDENTIALS));
      assertEquals(Object.values(data), [btoa("Bearer abc")]);
    }),
);

proves(
  "A controller that is told to stop gives its lease back",
  (cluster) =>
    withController(cluster, async (controller) => {
      const lease = {
        ...named("Lease", LEASE),
        apiVersion: "coordination.k8s.io/v1",
      };
      await until("it to lead", async () => {
        const status = await controller.ask("/status");
        return JSON.parse(status ?? "{}").leads === true ? true : undefined;
      });
      await controller.process.stop();
      const { spec } = await cluster.admin.get(lease);
      assertEquals(spec.holderIdentity ?? "", "");
    }),
);

proves(
  "A controller goes on with the others where an extension's namespace is not open to it",
  (cluster) =>
    withController(cluster, async (controller) => {
      const closed = {
        ...EXTENSION,
        metadata: { name: "closed", namespace: "closed" },
        spec: { targetRef: { name: "gw", sectionName: "mcp" } },
      };
      await cluster.createNamespace("closed");
      await cluster.admin.applyYaml(`
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: closed}
spec:
  gatewayClassName: istio
  listeners: [{name: mcp, hostname: closed.example.test, port: 80, protocol: HTTP}]
`);
      await cluster.admin.apply(closed);
      await until("a write to be refused", () =>
        controller.process.log.some((line) =>
            line.includes("Cannot carry out all of the plan") &&
            line.includes("403")
          )
          ? true
          : undefined);
      await cluster.admin.apply(registration());
      await untilServers(cluster, ["team/weather weather_ Enabled"]);
      await untilCondition(cluster, registration(), "Ready", "True Ready");
      await untilCondition(cluster, closed, "Accepted", "True Accepted");
      await cluster.admin.delete(closed);
    }),
);

proves(
  "A controller goes on within 15 seconds of an API server that is back",
  (cluster) =>
    withController(cluster, async () => {
      await cluster.admin.apply(registration());
      await untilCondition(cluster, registration(), "Ready", "True Ready");
      await cluster.apiServer.stop();
      await cluster.apiServer.start();
      const startedAt = performance.now();
      await cluster.admin.apply(registration({ state: "Disabled" }));
      await untilServers(cluster, ["team/weather weather_ Disabled"]);
      await untilCondition(cluster, registration(), "Ready", "False Disabled");
      const tookMs = Math.round(performance.now() - startedAt);
      console.log(`converged ${tookMs} ms after the API server was back`);
      assert(tookMs < 15_000, `that took ${tookMs} ms`);
    }),
);
