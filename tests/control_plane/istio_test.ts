/**
 * From Kubernetes to a client, with Istio: what it programs Envoy with, what
 * the controller adds to that, and what a client of the gateway sees of both.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { findEnvoy } from "../../shared/local/envoy_binary.ts";
import { RawClient } from "../support/raw_client.ts";
import type { KubeObject } from "./_client.ts";
import { provesWhatClientsArePromised, untilCallsPass } from "./_contract.ts";
import { HOME } from "./_controller.ts";
import { findIstio } from "./_gateway_tools.ts";
import {
  ADDRESS,
  GATEWAY,
  Installation,
  registration,
  TEAM,
  untilCondition,
  URL_FOR_CLIENTS,
} from "./_installation.ts";
import { type Mesh, startMesh } from "./_istio.ts";
import { until } from "./_kube.ts";
import { available, findKubeTools, there } from "./_kube_tools.ts";
import { measured, ownNetwork } from "./_network.ts";
import { ToolClient } from "./_tool_client.ts";

/** Besides the samples: a listener for what is no MCP. */
const OTHERS: KubeObject = {
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "Gateway",
  metadata: { name: GATEWAY, namespace: HOME },
  spec: {
    gatewayClassName: "istio",
    listeners: [{
      ...{ name: "others", hostname: "*.others.test" },
      ...{ port: 80, protocol: "HTTP" },
      allowedRoutes: { namespaces: { from: "All" } },
    }],
  },
};

/** A route there. */
const OTHER_ROUTE: KubeObject = {
  apiVersion: "gateway.networking.k8s.io/v1",
  kind: "HTTPRoute",
  metadata: { name: "others", namespace: TEAM },
  spec: {
    parentRefs: [{ name: GATEWAY, namespace: HOME, sectionName: "others" }],
    hostnames: ["features.others.test"],
    rules: [{ backendRefs: [{ name: "features", port: 9001 }] }],
  },
};

interface World {
  readonly installation: Installation;
  readonly mesh: Mesh;
}

const kube = await available(findKubeTools);
const istio = await available(findIstio);
const envoy = await available(findEnvoy);
const { proves: provesInside, shared } = await ownNetwork(import.meta.url, [
  ...[kube, istio, envoy],
]);

const world = shared<World>(async (stack) => {
  const startedAt = performance.now();
  const installation = stack.use(
    await Installation.start(there(kube), {
      definitions: [there(istio).definitions],
      hosts: ["weather.mcp.local", "features.others.test", "mcp.secure.test"],
    }),
  );
  await installation.exposeProxy(`${GATEWAY}-istio`, [
    { name: "http", port: 80, appProtocol: "http" },
    { name: "https", port: 443, appProtocol: "https" },
  ]);
  await installation.applySample("gateway-istio");
  await installation.applySample("server");
  await installation.routeToFeatures();
  const { admin } = installation.cluster;
  await admin.apply(OTHERS, { fieldManager: "others" });
  await admin.apply(OTHER_ROUTE);
  const mesh = stack.use(
    await startMesh(installation.cluster, {
      istiod: there(istio).executable,
      envoy: there(envoy),
      namespace: HOME,
      gateway: GATEWAY,
      address: ADDRESS.envoy,
      // What the extension's condition asks the Gateway's owner for.
      runtimeValues: {
        "envoy.reloadable_features.ext_proc_graceful_grpc_close": true,
      },
    }),
  );
  measured("everything started", startedAt);
  // The controller attaches the router once Istio has made its class.
  await untilCallsPass();
  measured("first call through Envoy", startedAt);
  return { installation, mesh };
});

/** Declares a test; where it fails, all programs' last lines are shown. */
function proves(sentence: string, test: (world: World) => Promise<void>): void {
  provesInside(sentence, async () => {
    try {
      await test(world());
    } catch (cause) {
      const { installation, mesh } = world();
      console.error(installation.lastLines(mesh.istiod, mesh.envoy));
      throw cause;
    }
  });
}

provesWhatClientsArePromised(
  (sentence, test) =>
    proves(sentence, ({ installation }) => test(installation)),
  {
    by: "Istio",
    configDump: async () =>
      await (await fetch(`${world().mesh.envoyAdminUrl}/config_dump`)).text(),
  },
);

proves(
  "Envoy's streams to the router have not been reset, as its owner sets what the sample has",
  async ({ mesh: { envoyAdminUrl } }) => {
    const answer = await fetch(
      `${envoyAdminUrl}/stats?filter=50051.*tx_reset`,
    );
    const stats = await answer.text();
    assertEquals(/tx_reset: (\d+)/.exec(stats)?.[1], "0", stats);
  },
);

proves(
  "An extension says what its Gateway's owner has to set for that, where it is not set",
  async (world) => {
    const { admin } = world.installation.cluster;
    const extension: KubeObject = {
      apiVersion: "mcp.kuadrant.io/v1",
      kind: "MCPGatewayExtension",
      metadata: { name: GATEWAY, namespace: HOME },
    };
    const message = () =>
      untilCondition(
        world.installation,
        extension,
        "Programmed",
        "True Programmed",
      );
    const setting = "envoy.reloadable_features.ext_proc_graceful_grpc_close";
    const proxies = (config: string) =>
      admin.apply({
        apiVersion: "gateway.networking.k8s.io/v1",
        kind: "Gateway",
        metadata: { name: GATEWAY, namespace: HOME },
        spec: {
          infrastructure: { annotations: { "proxy.istio.io/config": config } },
        },
      }, { fieldManager: "owner" });
    // The sample has it.
    assert(!(await message()).includes(setting));
    await proxies("{}");
    await until(
      "the setting to be asked for",
      async () => (await message()).includes(setting) || undefined,
    );
    await proxies(JSON.stringify({ runtimeValues: { [setting]: "true" } }));
    await until(
      "nothing to be asked for",
      async () => !(await message()).includes(setting) || undefined,
    );
  },
);

proves(
  "Clients cannot name a server's host",
  async () => {
    const client = await RawClient.connect(URL_FOR_CLIENTS);
    const toServer = client.at("http://weather.mcp.local/mcp");
    for (const headers of [{}, { "x-destination-mcp": `${TEAM}/weather` }]) {
      const { status, text } = await toServer.call("echo", { a: 1 }, {
        headers,
      });
      assert(
        status >= 400 && !text.includes('{\\"a\\":1}'),
        `${status} ${text}`,
      );
    }
  },
);

proves(
  "A Gateway is shared: with the router gone, other hosts are served, and none of MCP's is without it",
  async ({ installation: { programs: { router } } }) => {
    const client = await RawClient.connect(URL_FOR_CLIENTS);
    const others = new RawClient("http://features.others.test/mcp");
    await others.initialize();
    await router.stop();
    try {
      assertEquals((await others.request("tools/list")).status, 200);
      for (const url of [URL_FOR_CLIENTS, "http://weather.mcp.local/mcp"]) {
        const { status } = await client.at(url).call("weather_echo");
        assert(status >= 500, `${url}: ${status}`);
      }
    } finally {
      await router.start();
    }
    await until("calls again", async () => {
      const { message } = await client.call("weather_echo", { back: true });
      return message?.result?.content?.[0]?.text === '{"back":true}' ||
        undefined;
    });
  },
);

proves(
  "What Istio says of routes and Gateways stands in the conditions of those who have to mend it",
  async (world) => {
    const { admin } = world.installation.cluster;
    const route: KubeObject = {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "HTTPRoute",
      metadata: { name: "broken", namespace: TEAM },
      spec: {
        parentRefs: [{
          name: GATEWAY,
          namespace: HOME,
          sectionName: "servers",
        }],
        hostnames: ["broken.mcp.local"],
        rules: [{ backendRefs: [{ name: "nowhere", port: 9001 }] }],
      },
    };
    const broken = registration("broken", { prefix: "broken_" });
    const extension: KubeObject = {
      apiVersion: "mcp.kuadrant.io/v1",
      kind: "MCPGatewayExtension",
      metadata: { name: "secure", namespace: TEAM },
      spec: { targetRef: { name: "secure", sectionName: "mcp" } },
    };
    const gateway: KubeObject = {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "Gateway",
      metadata: { name: "secure", namespace: TEAM },
      spec: {
        gatewayClassName: "istio",
        listeners: [{
          ...{ name: "mcp", hostname: "secure.example.test" },
          ...{ port: 443, protocol: "HTTPS" },
          tls: { certificateRefs: [{ name: "no-such-secret" }] },
        }],
      },
    };
    const made: KubeObject[] = [];
    const apply = async (object: KubeObject) => {
      await admin.apply(object);
      made.unshift(object);
    };
    try {
      await apply(route);
      await apply(broken);
      assertStringIncludes(
        await untilCondition(
          world.installation,
          broken,
          "ResolvedRefs",
          "False BackendNotFound",
        ),
        "nowhere",
      );
      await apply(gateway);
      await apply(extension);
      assertStringIncludes(
        await untilCondition(
          world.installation,
          extension,
          "Programmed",
          "False GatewayNotProgrammed",
        ),
        "no-such-secret",
      );
    } finally {
      for (const object of made) await admin.delete(object);
    }
  },
);

proves(
  "By HTTPS, clients are served at a listener of its own, with its certificate and its routes",
  async ({ installation }) => {
    const { admin } = installation.cluster;
    const tls = (name: string) =>
      Deno.readTextFile(new URL(`../fixtures/tls/${name}`, import.meta.url));
    const caCert = await tls("wildcard_ca.pem");
    await admin.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: "wildcard", namespace: HOME },
      type: "kubernetes.io/tls",
      stringData: {
        "tls.crt": await tls("wildcard.pem"),
        "tls.key": await tls("wildcard.key"),
      },
    });
    await admin.apply({
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "Gateway",
      metadata: { name: GATEWAY, namespace: HOME },
      spec: {
        gatewayClassName: "istio",
        listeners: [{
          ...{ name: "secure", hostname: "*.secure.test" },
          ...{ port: 443, protocol: "HTTPS" },
          tls: { certificateRefs: [{ name: "wildcard" }] },
          allowedRoutes: { namespaces: { from: "All" } },
        }],
      },
    }, { fieldManager: "secure" });
    const route: KubeObject = {
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "HTTPRoute",
      metadata: { name: "secure", namespace: TEAM },
      spec: {
        parentRefs: [{ name: GATEWAY, namespace: HOME, sectionName: "secure" }],
        hostnames: ["weather.secure.test"],
        rules: [{ backendRefs: [{ name: "weather", port: 9001 }] }],
      },
    };
    await admin.apply(route);
    const secure = registration("secure", { prefix: "s_" });
    await admin.apply(secure);
    const serveAt = (sectionName: string, publicHost?: string) =>
      admin.apply({
        apiVersion: "mcp.kuadrant.io/v1",
        kind: "MCPGatewayExtension",
        metadata: { name: GATEWAY, namespace: HOME },
        spec: { targetRef: { name: GATEWAY, sectionName }, publicHost },
      }, { fieldManager: "owner" });
    await serveAt("secure", "mcp.secure.test");
    try {
      using http = Deno.createHttpClient({ caCerts: [caCert] });
      const client = await until("a session by HTTPS", async () => {
        try {
          return await RawClient.connect("https://mcp.secure.test/mcp", {
            http,
            headers: { authorization: "Bearer for-the-gateway" },
          });
        } catch {
          return undefined; // not programmed yet
        }
      });
      const facts = await until("a call by HTTPS", async () => {
        const { message } = await client.call("s_facts");
        return message?.result?.content?.[0]?.text;
      });
      assert(!JSON.parse(facts).headers.includes("authorization"), facts);
      // A route of the other port is none of this listener's.
      assertStringIncludes(
        await untilCondition(
          installation,
          registration("weather"),
          "Accepted",
          "False ListenerMismatch",
        ),
        "secure",
      );
    } finally {
      await serveAt("mcp");
      await admin.delete(secure);
      await admin.delete(route);
    }
    await untilCallsPass();
  },
);

proves(
  "Calls go on while API server and istiod are killed, and what changes then is in force once they are back",
  async ({ installation: { cluster }, mesh: { istiod } }) => {
    const { admin, apiServer } = cluster;
    await using client = await ToolClient.connect("v1", URL_FOR_CLIENTS);
    const over = new AbortController();
    let calls = 0;
    const calling = (async () => {
      while (!over.signal.aborted) {
        assertEquals(
          await client.call("weather_echo", { calls }),
          `{"calls":${calls}}`,
        );
        calls++;
      }
    })();
    // Looked at below; the calls may fail before.
    calling.catch(() => {});
    const goOn = (more: number) => {
      const enough = calls + more;
      return Promise.race([
        calling,
        until(`${more} more calls`, () => calls > enough ? true : undefined),
      ]);
    };
    try {
      await goOn(20);
      apiServer.kill();
      istiod.kill();
      await Promise.all([apiServer.ended, istiod.ended]);
      await goOn(100);
      await apiServer.start();
      await admin.apply(registration("features", { prefix: "f_" }));
      await istiod.start();
      const startedAt = performance.now();
      await using newcomer = await ToolClient.connect("v2", URL_FOR_CLIENTS);
      await until("the tool that is new", async () => {
        try {
          return await newcomer.call("f_echo", { text: "new" }) || undefined;
        } catch {
          return undefined;
        }
      });
      measured(
        "what was registered meanwhile is called once istiod is back",
        startedAt,
      );
      await goOn(20);
    } finally {
      over.abort();
      await calling;
      await admin.delete(registration("features"));
    }
  },
);
