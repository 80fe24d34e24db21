/**
 * What one who may only register servers in a namespace of his own cannot do:
 * every attempt is refused by the API server, or ignored with a condition that
 * says why.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { KubeClient, KubeError, type KubeObject } from "./_client.ts";
import type { Cluster } from "./_cluster.ts";
import {
  CONFIG,
  configOf,
  CREDENTIALS,
  ENVOY_FILTERS,
  EXTENSION,
  HOME,
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

/** Namespace of somebody else. */
const OTHERS = "others";

const proves = controlPlane({
  manifests: [""],
  setUp: async (cluster) => {
    await cluster.admin.applyYaml(ENVOY_FILTERS);
    for (const name of [TEAM, OTHERS]) await cluster.createNamespace(name);
    await openSecrets(cluster, TEAM);
    await openSecrets(cluster, OTHERS);
    await cluster.admin.applyYaml(EDITOR);
  },
});

/** No controller aggregates the roles of users here: the rules are ours alone. */
const EDITOR = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: edit-core}
rules:
- apiGroups: [""]
  resources: [configmaps, secrets, services]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes, referencegrants]
  verbs: [get, list, watch, create, update, patch, delete]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: core, namespace: ${TEAM}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit-core}
subjects: [{kind: ServiceAccount, name: tenant, namespace: ${TEAM}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: mcp, namespace: ${TEAM}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: mcp-gateway-edit}
subjects: [{kind: ServiceAccount, name: tenant, namespace: ${TEAM}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: mcp-view, namespace: ${TEAM}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: mcp-gateway-view}
subjects: [{kind: ServiceAccount, name: tenant, namespace: ${TEAM}}]
`;

/** The tenant, who may edit his own namespace. */
function tenantOf(cluster: Cluster): Promise<KubeClient> {
  return cluster.clientOf(TEAM, "tenant");
}

function secret(
  namespace: string,
  labels: Readonly<Record<string, string>> = {},
): KubeObject {
  return {
    ...named("Secret", "token", namespace),
    metadata: { name: "token", namespace, labels },
    stringData: { token: "Bearer theirs" },
  };
}

const OFFERED = { "mcp.kuadrant.io/secret": "true" };

/** A route of somebody else's, and his server's registration. */
function theirs(): readonly [KubeObject, KubeObject] {
  const [route, server] = serverOf("theirs");
  const away = { name: "theirs", namespace: OTHERS };
  return [
    {
      ...route,
      metadata: away,
      spec: {
        ...route.spec,
        rules: [{ backendRefs: [{ name: "theirs", port: 9001 }] }],
      },
    },
    { ...server, metadata: away },
  ];
}

async function withTheirs(
  cluster: Cluster,
  test: (tenant: KubeClient) => Promise<void>,
): Promise<void> {
  const { admin } = cluster;
  const objects = [
    {
      ...named("Service", "theirs", OTHERS),
      spec: { ports: [{ port: 9001 }] },
    },
    ...theirs(),
  ];
  for (const object of objects) await admin.apply(object);
  try {
    await test(await tenantOf(cluster));
  } finally {
    for (const object of objects) await admin.delete(object);
  }
}

proves(
  "A registration reaches another namespace's route with its owner's grant alone, and loses it with the grant",
  (cluster) =>
    withController(cluster, () =>
      withTheirs(cluster, async (tenant) => {
        const { admin } = cluster;
        await admin.delete(theirs()[1]);
        const reaching = registration({
          targetRef: { name: "theirs", namespace: OTHERS },
        });
        await tenant.apply(reaching);
        await untilCondition(
          cluster,
          reaching,
          "ResolvedRefs",
          "False RefNotPermitted",
        );
        assertStringIncludes(
          await messageOf(cluster, reaching, "ResolvedRefs"),
          `Create a ReferenceGrant in ${OTHERS}`,
        );
        await untilServers(cluster, []);
        const grant: KubeObject = {
          apiVersion: "gateway.networking.k8s.io/v1",
          kind: "ReferenceGrant",
          metadata: { name: "tools", namespace: OTHERS },
          spec: {
            from: [{
              group: "mcp.kuadrant.io",
              kind: "MCPServerRegistration",
              namespace: TEAM,
            }],
            to: [{ group: "gateway.networking.k8s.io", kind: "HTTPRoute" }],
          },
        };
        await assertRejects(() => tenant.apply(grant), KubeError, "403");
        await admin.apply(grant);
        await untilServers(cluster, ["team/weather weather_ Enabled"]);
        await untilCondition(cluster, reaching, "Ready", "True Ready");
        await admin.delete(grant);
        await untilServers(cluster, []);
        await untilCondition(
          cluster,
          reaching,
          "Ready",
          "False RefNotPermitted",
        );
        await admin.apply(theirs()[1]);
      })),
);

proves(
  "A route to another namespace's Service needs its owner's grant",
  (cluster) =>
    withController(cluster, () =>
      withTheirs(cluster, async (tenant) => {
        const [route, server] = serverOf("mine");
        await tenant.apply({
          ...route,
          spec: {
            ...route.spec,
            rules: [{
              backendRefs: [{ name: "theirs", namespace: OTHERS, port: 9001 }],
            }],
          },
        });
        await tenant.apply(server);
        await untilCondition(
          cluster,
          server,
          "ResolvedRefs",
          "False RefNotPermitted",
        );
        await untilServers(cluster, ["others/theirs theirs_ Enabled"]);
        await tenant.delete(route);
      })),
);

for (
  const { what, externalName } of [
    { what: "by a name of its Service", externalName: "theirs.others.svc" },
    { what: "on the node", externalName: "localhost" },
    { what: "of the cloud's metadata", externalName: "169.254.169.254" },
  ]
) {
  proves(
    `A Service that is an alias leads to no address ${what}`,
    (cluster) =>
      withController(cluster, () =>
        withTheirs(cluster, async (tenant) => {
          const [route, server] = serverOf("alias");
          await tenant.apply({
            ...named("Service", "alias", TEAM),
            spec: { type: "ExternalName", externalName },
          });
          await tenant.apply({
            ...route,
            spec: {
              ...route.spec,
              rules: [{ backendRefs: [{ name: "alias", port: 80 }] }],
            },
          });
          await tenant.apply(server);
          await untilCondition(
            cluster,
            server,
            "ResolvedRefs",
            "False BackendNotPermitted",
          );
          await untilServers(cluster, ["others/theirs theirs_ Enabled"]);
          await tenant.delete(route);
          await tenant.delete(named("Service", "alias", TEAM));
        })),
  );
}

proves(
  "A host, and a prefix, that somebody else has stay his",
  (cluster) =>
    withController(cluster, () =>
      withTheirs(cluster, async (tenant) => {
        await untilServers(cluster, ["others/theirs theirs_ Enabled"]);
        const later = until("a second to pass", pastSecond());
        const [route, server] = serverOf("grab");
        await later;
        await tenant.apply({
          ...route,
          spec: { ...route.spec, hostnames: ["theirs.mcp.local"] },
        });
        await tenant.apply(server);
        await untilCondition(
          cluster,
          server,
          "Accepted",
          "False HostnameTaken",
        );
        await tenant.delete(server);
        await tenant.apply(route);
        const [, samePrefix] = serverOf("grab", { prefix: "theirs_" });
        await tenant.apply(samePrefix);
        await untilCondition(
          cluster,
          samePrefix,
          "Accepted",
          "False PrefixConflict",
        );
        const [, longer] = serverOf("grab", { prefix: "theirs_echo" });
        await tenant.delete(samePrefix);
        await tenant.apply(longer);
        await untilCondition(
          cluster,
          longer,
          "Accepted",
          "False PrefixShadows",
        );
        await untilServers(cluster, ["others/theirs theirs_ Enabled"]);
        await untilCondition(cluster, theirs()[1], "Ready", "True Ready");
        await tenant.delete(route);
      })),
);

/** Age is told by whole seconds. */
function pastSecond(): () => true | undefined {
  const startedAt = Date.now();
  return () => Date.now() > startedAt + 1_100 ? true : undefined;
}

proves(
  "A Secret is taken from the registration's own namespace, and where it is offered, alone",
  (cluster) =>
    withController(cluster, async () => {
      const { admin } = cluster;
      const tenant = await tenantOf(cluster);
      await admin.apply(secret(OTHERS, OFFERED));
      const server = registration({ credentialRef: { name: "token" } });
      await tenant.apply(server);
      await untilCondition(
        cluster,
        server,
        "ResolvedRefs",
        "False SecretNotFound",
      );
      // There is no way to say another namespace.
      await assertRejects(
        () =>
          tenant.apply(
            registration({
              credentialRef: { name: "token", namespace: OTHERS },
            }),
          ),
        KubeError,
        "field not declared in schema",
      );
      await tenant.apply(secret(TEAM));
      await untilCondition(
        cluster,
        server,
        "ResolvedRefs",
        "False SecretNotLabelled",
      );
      await untilServers(cluster, []);
      await tenant.apply(secret(TEAM, OFFERED));
      await untilServers(cluster, ["team/weather weather_ Enabled"]);
      const { data } = await admin.get(named("Secret", CREDENTIALS));
      assertEquals(data, { team_weather_credential: btoa("Bearer theirs") });
      const everything = JSON.stringify([
        await admin.get(named("ConfigMap", CONFIG)),
        await admin.get(server),
        await admin.request("GET", "/apis/events.k8s.io/v1/events"),
      ]);
      assert(!everything.includes("Bearer theirs"), "a credential got out");
      await admin.delete(secret(OTHERS));
      await admin.delete(secret(TEAM));
    }),
);

proves(
  "A tenant forges no configuration: neither the gateway's, nor one of his own that somebody would take",
  (cluster) =>
    withController(cluster, async (controller) => {
      const { admin } = cluster;
      const tenant = await tenantOf(cluster);
      await admin.apply(registration());
      await untilServers(cluster, ["team/weather weather_ Enabled"]);
      const forged = (namespace: string): KubeObject => ({
        ...named("ConfigMap", CONFIG, namespace),
        metadata: {
          name: CONFIG,
          namespace,
          labels: { "app.kubernetes.io/managed-by": "mcp-gateway-controller" },
        },
        data: { "config.yaml": '{"servers":[],"virtualServers":[]}' },
      });
      for (
        const object of [
          forged(HOME),
          secret(HOME, OFFERED),
          { ...named("Secret", CREDENTIALS), data: {} },
          { ...EXTENSION, metadata: { name: "mine", namespace: HOME } },
        ]
      ) {
        const error = await assertRejects(
          () => tenant.apply(object),
          KubeError,
        );
        assertEquals(error.status, 403);
      }
      // In his own namespace he may write what he likes: nobody reads it.
      await tenant.apply(forged(TEAM));
      await controller.untilIdle();
      assertEquals(
        (await configOf(cluster))?.servers.map(({ name }) => name),
        ["team/weather"],
      );
      await untilCondition(cluster, registration(), "Ready", "True Ready");
      assertEquals(
        (await admin.get(forged(TEAM))).data,
        forged(TEAM).data,
      );
      await tenant.delete(forged(TEAM));
    }),
);
