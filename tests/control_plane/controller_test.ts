/**
 * The controller as a program on a real API server, with exactly the rights
 * that the manifests give it.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
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
  named,
  registration,
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
