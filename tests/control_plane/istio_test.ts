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
import { HOME, TEAM } from "./_controller.ts";
import { findIstio } from "./_gateway_tools.ts";
import {
  ADDRESS,
  GATEWAY,
  Installation,
  URL_FOR_CLIENTS,
} from "./_installation.ts";
import { type Mesh, startMesh } from "./_istio.ts";
import { until } from "./_kube.ts";
import { available, findKubeTools, there } from "./_kube_tools.ts";
import { measured, ownNetwork } from "./_network.ts";
import { type Sdk, ToolClient } from "./_tool_client.ts";

/** The Gateway, and routes to two servers; only one of them is registered. */
const OBJECTS = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ${GATEWAY}, namespace: ${HOME}}
spec:
  gatewayClassName: istio
  listeners:
  - {name: mcp, hostname: mcp.example.test, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
  - {name: servers, hostname: "*.mcp.local", port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
  - {name: others, hostname: "*.others.test", port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPGatewayExtension
metadata: {name: main, namespace: ${HOME}}
spec: {targetRef: {name: ${GATEWAY}, sectionName: mcp}}
---
${
  ["weather.mcp.local", "features.mcp.local", "features.others.test"].map((
    host,
  ) => `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${host.replace(/\.mcp\.local$/, "")}, namespace: ${TEAM}}
spec:
  parentRefs: [{name: ${GATEWAY}, namespace: ${HOME}}]
  hostnames: [${host}]
  rules: [{backendRefs: [{name: ${host.split(".")[0]}, port: 9001}]}]
`).join("---")
}
---
apiVersion: mcp.kuadrant.io/v1
kind: MCPServerRegistration
metadata: {name: weather, namespace: ${TEAM}}
spec: {targetRef: {name: weather}, prefix: weather_}
`;

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
      hosts: ["weather.mcp.local", "features.others.test"],
    }),
  );
  await installation.exposeProxy(`${GATEWAY}-istio`, [
    { name: "http", port: 80, appProtocol: "http" },
  ]);
  await installation.cluster.admin.applyYaml(OBJECTS);
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
  await until("a first call", async () => {
    try {
      await using client = await ToolClient.connect("v1", URL_FOR_CLIENTS);
      return await client.call("weather_echo", { a: 1 }) === '{"a":1}' ||
        undefined;
    } catch {
      return undefined;
    }
  });
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
      for (const { name, log } of [mesh.istiod, mesh.envoy]) {
        console.error(
          log.slice(-30).map((one) => `${name}: ${one}`).join("\n"),
        );
      }
      console.error(installation.lastLines);
      throw cause;
    }
  });
}

function registration(
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
async function untilCondition(
  { installation: { cluster } }: World,
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

for (const sdk of ["v1", "v2"] satisfies Sdk[]) {
  proves(
    `A client of the ${sdk} SDK lists and calls tools through the Envoy that Istio programs`,
    async () => {
      await using client = await ToolClient.connect(sdk, URL_FOR_CLIENTS);
      assertEquals(await client.tools(), ["weather_echo", "weather_facts"]);
      assertEquals(
        await client.call("weather_echo", { text: "Grüße" }),
        '{"text":"Grüße"}',
      );
      // Nothing of ours, nor of the client's own, reaches a server.
      const { headers } = JSON.parse(await client.call("weather_facts"));
      assert(headers.includes("mcp-session-id"), `${headers}`);
      for (const name of ["x-mcp-caller", "x-mcp-upstream"]) {
        assert(!headers.includes(name), `${headers}`);
      }
    },
  );
}

proves(
  "A registration created, changed, disabled and deleted is visible to a client that listens",
  async ({ installation: { cluster: { admin } } }) => {
    await using v1 = await ToolClient.connect("v1", URL_FOR_CLIENTS);
    await using v2 = await ToolClient.connect("v2", URL_FOR_CLIENTS);
    const before = await v1.tools();
    // The first SDK's clients take no list with all that this server's has.
    let client = v2;
    /** Does something, and waits until the client was told and sees it. */
    const change = async (
      what: string,
      act: () => Promise<unknown>,
      seen: (tools: readonly string[]) => boolean,
    ) => {
      const { heard } = client;
      await act();
      const startedAt = performance.now();
      await until(
        `the client to be told: ${what}`,
        () => client.heard > heard ? true : undefined,
      );
      measured(`${what}: the client is told`, startedAt);
      await until(
        `tools to show: ${what}`,
        async () => seen(await client.tools()) ? true : undefined,
      );
      measured(`${what}: the client sees it`, startedAt);
    };
    const features = registration("features", { prefix: "f_" });
    const has = (name: string) => (tools: readonly string[]) =>
      tools.includes(name);
    const hasNot = (name: string) => (tools: readonly string[]) =>
      !tools.includes(name);

    await change("created", () => admin.apply(features), has("f_echo"));
    assertStringIncludes(await client.call("f_echo", { text: "new" }), "new");
    await change(
      "disabled",
      () =>
        admin.apply(
          registration("features", { prefix: "f_", state: "Disabled" }),
        ),
      hasNot("f_echo"),
    );
    await change(
      "enabled",
      () =>
        admin.apply(
          registration("features", { prefix: "f_", state: "Enabled" }),
        ),
      has("f_echo"),
    );
    assertStringIncludes(await client.call("f_echo", { text: "on" }), "on");
    await change("deleted", () => admin.delete(features), hasNot("f_echo"));
    // A prefix is for life: another one is another registration.
    await change(
      "created with another prefix",
      () => admin.apply(registration("features", { prefix: "g_" })),
      (tools) => has("g_echo")(tools) && hasNot("f_echo")(tools),
    );
    assertStringIncludes(
      await client.call("g_echo", { text: "again" }),
      "again",
    );
    await change(
      "deleted again",
      () => admin.delete(features),
      hasNot("g_echo"),
    );

    client = v1;
    const weather = (path: string) =>
      registration("weather", { prefix: "weather_", path });
    await change(
      "another path",
      () => admin.apply(weather("/v2")),
      has("weather_moved_echo"),
    );
    assertEquals(await client.call("weather_moved_echo", { n: 2 }), '{"n":2}');
    await change(
      "the former path",
      () => admin.apply(weather("/mcp")),
      has("weather_echo"),
    );
    assertEquals(await client.call("weather_echo", { n: 1 }), '{"n":1}');
    assertEquals(await client.tools(), before);
  },
);

proves(
  "More calls than Envoy's resets would let pass all succeed, as its connections to the router end gracefully",
  async ({ mesh }) => {
    await using client = await ToolClient.connect("v2", URL_FOR_CLIENTS);
    const calls = 1_200;
    const startedAt = performance.now();
    let next = 0;
    await Promise.all(Array.from({ length: 16 }, async () => {
      while (next < calls) {
        const n = next++;
        assertEquals(await client.call("weather_echo", { n }), `{"n":${n}}`);
      }
    }));
    measured(`${calls} calls`, startedAt);
    const stats = await (await fetch(
      `${mesh.envoyAdminUrl}/stats?filter=50051.*tx_reset`,
    )).text();
    assertEquals(/tx_reset: (\d+)/.exec(stats)?.[1], "0", stats);
  },
);

proves(
  "An extension says what its Gateway's owner has to set for that, until it is set",
  async (world) => {
    const { admin } = world.installation.cluster;
    const extension: KubeObject = {
      apiVersion: "mcp.kuadrant.io/v1",
      kind: "MCPGatewayExtension",
      metadata: { name: "main", namespace: HOME },
    };
    const message = () =>
      untilCondition(world, extension, "Programmed", "True Programmed");
    const setting = "envoy.reloadable_features.ext_proc_graceful_grpc_close";
    assertStringIncludes(await message(), setting);
    await admin.apply({
      apiVersion: "gateway.networking.k8s.io/v1",
      kind: "Gateway",
      metadata: { name: GATEWAY, namespace: HOME },
      spec: {
        infrastructure: {
          annotations: {
            "proxy.istio.io/config": JSON.stringify({
              runtimeValues: { [setting]: "true" },
            }),
          },
        },
      },
    }, { fieldManager: "owner" });
    await until(
      "nothing to be left to do",
      async () => (await message()).includes(setting) ? undefined : true,
    );
  },
);

proves(
  "A message larger than Envoy's own limit passes, one larger than ours is refused as such",
  async () => {
    const client = await RawClient.connect(URL_FOR_CLIENTS);
    const text = "x".repeat(2 * 1024 * 1024);
    const { message } = await client.send({
      ...{ jsonrpc: "2.0", id: 1, method: "tools/call" },
      params: { name: "weather_echo", arguments: { text } },
    });
    assertEquals(message?.result?.content?.[0]?.text, `{"text":"${text}"}`);
    const { status } = await client.send({
      ...{ jsonrpc: "2.0", id: 2, method: "tools/call" },
      params: { name: "weather_echo", arguments: { text: text.repeat(3) } },
    });
    assertEquals(status, 413);
  },
);

proves(
  "Clients cannot name a server's host or say that they were routed already",
  async () => {
    const client = await RawClient.connect(URL_FOR_CLIENTS);
    const toServer = client.at(`http://weather.mcp.local/mcp`);
    const forged = { "x-destination-mcp": `${TEAM}/weather` };
    for (const headers of [{}, forged]) {
      const { status, text } = await toServer.call("echo", { a: 1 }, {
        headers,
      });
      assert(
        status >= 400 && !text.includes('{\\"a\\":1}'),
        `${status} ${text}`,
      );
    }
    const { message } = await client.call("facts", {}, { headers: forged });
    assertStringIncludes(`${message?.error?.message}`, "facts");
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
          world,
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
          world,
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
