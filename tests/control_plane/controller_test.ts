/**
 * The controller as a program on a real API server, with exactly the rights
 * that the manifests give it.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { statusFor } from "../../controller/plan/_testing.ts";
import { PROJECT_DIR } from "../support/paths.ts";
import type { KubeObject } from "./_client.ts";
import {
  CONFIG,
  configOf,
  CREDENTIALS,
  ENVOY_FILTERS,
  EXTENSION,
  HOME,
  LEASE,
  look,
  messageOf,
  named,
  openSecrets,
  registration,
  serverOf,
  TEAM,
  untilCondition,
  untilServers,
  withController,
} from "./_controller.ts";
import { until } from "./_kube.ts";
import { controlPlane } from "./_world.ts";

const proves = controlPlane({
  manifests: [""],
  setUp: async (cluster) => {
    await cluster.admin.applyYaml(ENVOY_FILTERS);
    await cluster.createNamespace(TEAM);
  },
});

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
        (await controller.status())?.queue.attempts ?? 0;
      await controller.untilIdle();
      const before = await versions();
      const planned = await plans();
      await admin.apply({
        ...named("Service", "another", TEAM),
        spec: { ports: [{ port: 1 }] },
      });
      await until(
        "another plan",
        async () => await plans() > planned ? true : undefined,
      );
      assertEquals(await versions(), before);
      const metrics = await controller.ask("/metrics") ?? "";
      assertStringIncludes(metrics, "mcp_gateway_controller_leading 1");
      // Those that users are told to watch are there.
      const told = await Deno.readTextFile(
        `${PROJECT_DIR}/manifests/README.md`,
      );
      const names = new Set(told.match(/mcp_gateway_controller_\w+/g));
      assert(names.size > 3);
      for (const name of names) assertStringIncludes(metrics, `\n${name}`);

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
      await openSecrets(cluster, TEAM);
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
      await controller.untilLeading();
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

proves(
  "A controller with a selector takes the registrations that are labelled so, and gives up one that is not any more",
  (cluster) =>
    withController(cluster, async (controller) => {
      const { admin } = cluster;
      const labelled = (labels: Readonly<Record<string, string>>) => {
        const [, server] = serverOf("labelled");
        return { ...server, metadata: { ...server.metadata, labels } };
      };
      await admin.apply(serverOf("labelled")[0]);
      await admin.apply(registration());
      await admin.apply(labelled({ gateway: "mcp" }));
      await untilServers(cluster, ["team/labelled labelled_ Enabled"]);
      await untilCondition(cluster, labelled({}), "Ready", "True Ready");
      await admin.apply(labelled({ gateway: "another" }));
      await untilServers(cluster, []);
      await untilCondition(
        cluster,
        labelled({}),
        "Ready",
        "False NotSelected",
      );
      await controller.untilIdle();
      // Another controller's, perhaps: nothing is said of it.
      assertEquals((await admin.get(registration())).status, undefined);
    }, { args: ["--selector=gateway in (mcp, tools)"] }),
);

proves(
  "A controller of some namespaces leaves those of others alone",
  (cluster) =>
    withController(cluster, async (controller) => {
      const { admin } = cluster;
      await cluster.createNamespace("apart");
      const [route, server] = serverOf("apart");
      const metadata = { name: "apart", namespace: "apart" };
      await admin.apply({
        ...named("Service", "weather", "apart"),
        spec: { ports: [{ port: 9001 }] },
      });
      await admin.apply({ ...route, metadata });
      await admin.apply({ ...server, metadata });
      await admin.apply(registration());
      await untilServers(cluster, ["team/weather weather_ Enabled"]);
      await controller.untilIdle();
      assertEquals(
        (await admin.get({ ...server, metadata })).status,
        undefined,
      );
      await admin.delete({ ...server, metadata });
    }, { args: [`--namespace=${HOME},${TEAM}`] }),
);

proves(
  "A server is ready when every broker replica lists it, and its status has what the worst of them says",
  async (cluster) => {
    let second: "connecting" | "failed" | "ready" = "connecting";
    await withController(cluster, async () => {
      await cluster.admin.apply(registration());
      const said = async (type: string, want: string) => {
        await untilCondition(cluster, registration(), type, want);
        const { status } = await cluster.admin.get(registration());
        const { state, tools, era, revision, since, lastError } = status;
        return { state, tools, era, revision, since, lastError };
      };
      const since = "2026-02-01T00:00:00Z";
      await said("Programmed", "True Programmed");
      assertEquals(
        (await said("Ready", "False Connecting")).state,
        "connecting",
      );
      second = "failed";
      assertEquals(await said("Ready", "False ServerFailed"), {
        ...{ state: "failed", tools: 0, era: undefined, revision: undefined },
        ...{ since, lastError: "connection refused" },
      });
      const message = await messageOf(cluster, registration(), "Ready");
      assertStringIncludes(message, "cannot reach it: connection refused");
      second = "ready";
      assertEquals(await said("Ready", "True Ready"), {
        ...{ state: "ready", tools: 3, era: "session" },
        ...{ revision: "2025-11-25", since, lastError: undefined },
      });
    }, {
      brokers: [
        (config) => statusFor(config),
        (config) => {
          const status = statusFor(config, {
            state: second,
            ...(second === "ready" ? {} : { tools: 0 }),
            ...(second === "failed" ? { lastError: "connection refused" } : {}),
          });
          return {
            ...status,
            servers: status.servers.map((server) => {
              const { era: _era, revision: _revision, ...rest } = server;
              return second === "ready" ? server : rest;
            }),
          };
        },
      ],
    });
  },
);

/** The route of the server behind the Gateway. */
const WEATHER = { name: "weather", namespace: TEAM };

proves(
  "Registrations that are retargeted, and routes, Services and Secrets that change, are in the configuration as they are now",
  (cluster) =>
    withController(cluster, async () => {
      const { admin } = cluster;
      const [route, server] = serverOf("moving");
      const one = async () => (await configOf(cluster))?.servers[0];
      const untilUrl = (want: string | undefined) =>
        until(`the URL to be ${want}`, async () =>
          (await one())?.url === want || undefined);
      const backend = (name: string, port: number, host = "moving") => ({
        ...route,
        spec: {
          ...route.spec,
          hostnames: [`${host}.mcp.local`],
          rules: [{ backendRefs: [{ name, port }] }],
        },
      });
      await admin.apply({
        ...named("Service", "second", TEAM),
        spec: {
          ports: [{ name: "https", port: 9443 }, { port: 80, name: "a" }],
        },
      });
      await admin.apply(route);
      await admin.apply(server);
      await untilUrl("http://weather.team.svc.cluster.local:9001/mcp");

      await admin.apply(backend("second", 9443));
      await untilUrl("https://second.team.svc.cluster.local:9443/mcp");
      await admin.apply(backend("second", 80, "moved"));
      await until("the other host", async () =>
        (await one())?.hostname === "moved.mcp.local" || undefined);
      await untilUrl("http://second.team.svc.cluster.local/mcp");
      await admin.apply({
        ...named("Service", "second", TEAM),
        spec: { ports: [{ name: "https", port: 9443 }] },
      });
      await untilCondition(
        cluster,
        server,
        "ResolvedRefs",
        "False BackendPortNotFound",
      );
      await untilUrl(undefined);

      const retargeted = { ...server.spec, targetRef: { name: "weather" } };
      await admin.apply({ ...server, spec: retargeted });
      await untilUrl("http://weather.team.svc.cluster.local:9001/mcp");
      await untilCondition(cluster, server, "Ready", "True Ready");

      const token = (value: string): KubeObject => ({
        ...named("Secret", "moving", TEAM),
        metadata: {
          ...{ name: "moving", namespace: TEAM },
          labels: { "mcp.kuadrant.io/secret": "true" },
        },
        stringData: { token: value },
      });
      const untilToken = (want: string) =>
        until("the credential", async () => {
          const copied = await look(cluster, named("Secret", CREDENTIALS));
          return copied?.data?.team_moving_credential === btoa(want) ||
            undefined;
        });
      await openSecrets(cluster, TEAM);
      await admin.apply(token("Bearer one"));
      await admin.apply({
        ...server,
        spec: { ...retargeted, credentialRef: { name: "moving" } },
      });
      await untilToken("Bearer one");
      await admin.apply(token("Bearer two"));
      await untilToken("Bearer two");
      await admin.delete(token(""));
      await untilCondition(
        cluster,
        server,
        "ResolvedRefs",
        "False SecretNotFound",
      );
      await until("no credential to be kept", async () => {
        const copied = await look(cluster, named("Secret", CREDENTIALS));
        return Object.keys(copied?.data ?? {}).length === 0 || undefined;
      });

      await admin.apply({ ...server, spec: retargeted });
      await untilCondition(cluster, server, "Ready", "True Ready");
      const weather = (await admin.get({ ...route, metadata: WEATHER })).spec;
      await admin.delete({ ...route, metadata: WEATHER });
      await untilCondition(
        cluster,
        server,
        "ResolvedRefs",
        "False TargetNotFound",
      );
      await untilUrl(undefined);
      await admin.apply({ ...route, metadata: WEATHER, spec: weather });
      await untilCondition(cluster, server, "Ready", "True Ready");
      await admin.delete(route);
    }),
);

proves(
  "A listener that goes is named at the extension and at the registrations behind it, and what is served stays",
  (cluster) =>
    withController(cluster, async () => {
      const { admin } = cluster;
      await admin.apply(registration());
      await untilCondition(cluster, registration(), "Ready", "True Ready");
      const gateway: KubeObject = {
        ...named("Gateway", "gw"),
        apiVersion: "gateway.networking.k8s.io/v1",
      };
      const { spec } = await admin.get(gateway);
      await admin.apply({
        ...gateway,
        spec: {
          ...spec,
          listeners: spec.listeners.filter((one: { name: string }) =>
            one.name !== "mcp"
          ),
        },
      });
      await untilCondition(
        cluster,
        EXTENSION,
        "ResolvedRefs",
        "False ListenerNotFound",
      );
      await untilCondition(
        cluster,
        registration(),
        "Accepted",
        "False NoGatewayExtension",
      );
      // A slip of the pen at the Gateway takes nothing away.
      assertEquals((await configOf(cluster))?.servers.length, 1);
      await admin.apply({ ...gateway, spec });
      await untilCondition(cluster, registration(), "Ready", "True Ready");
    }),
);

proves(
  "A controller outside of the cluster works by a kubeconfig",
  (cluster) =>
    withController(cluster, async (controller) => {
      await cluster.admin.apply(registration());
      await untilServers(cluster, ["team/weather weather_ Enabled"]);
      await untilCondition(cluster, registration(), "Ready", "True Ready");
      await controller.untilLeading();
    }, { outside: true }),
);
