/**
 * Writes to a real API server: nothing of another is lost, nothing is written
 * twice, nothing that is not ours is touched.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  Applier,
  CONTENT_GENERATION,
  ForeignObjectError,
  ObjectTooLargeError,
} from "../../controller/kube/apply.ts";
import { EventRecorder, EVENTS } from "../../controller/kube/event_recorder.ts";
import { kubeconfigAccess } from "../../controller/kube/kubeconfig.ts";
import {
  mergeConditions,
  writeStatus,
} from "../../controller/kube/write_status.ts";
import { type Condition } from "../../controller/resources/condition.ts";
import { KubeClient } from "../../shared/kube/client.ts";
import { KubeError } from "../../shared/kube/kube_error.ts";
import {
  CONFIG_MAPS,
  type KubeObject,
  type Resource,
} from "../../shared/kube/object.ts";
import { HttpTransport } from "../../shared/kube/transport.ts";
import type { Cluster } from "./_cluster.ts";
import { connect, logTo } from "./_kube.ts";
import { controlPlane } from "./_world.ts";

const NAMESPACE = "writes";

const REGISTRATIONS: Resource = {
  group: "mcp.kuadrant.io",
  version: "v1",
  plural: "mcpserverregistrations",
  kind: "MCPServerRegistration",
  namespaced: true,
};

const proves = controlPlane({
  gatewayApi: false,
  manifests: ["crds/"],
  setUp: (cluster) => cluster.createNamespace(NAMESPACE),
});

function configMap(
  name: string,
  data: Readonly<Record<string, string>>,
): KubeObject {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: NAMESPACE },
    data,
  };
}

function target(name: string) {
  return { resource: CONFIG_MAPS, namespace: NAMESPACE, name };
}

function applier(cluster: Cluster, lines: string[] = []) {
  const client = new KubeClient({ transport: connect(cluster) });
  return { client, applier: new Applier({ client, log: logTo(lines) }) };
}

proves(
  "Two writers with 200 updates each lose none of them",
  async (cluster) => {
    const log: string[] = [];
    const write = async (writer: string): Promise<void> => {
      const { client, applier: one } = applier(cluster, log);
      let known: KubeObject | undefined;
      for (let update = 1; update <= 200; update++) {
        while (true) {
          try {
            const { object } = await one.apply(
              CONFIG_MAPS,
              (live) =>
                configMap("ledger", {
                  ...live?.data,
                  [`${writer}-${update}`]: "written",
                  count: String(Number(live?.data?.count ?? 0) + 1),
                }),
              known,
            );
            known = object;
            break;
          } catch (error) {
            if (!(error instanceof KubeError) || error.kind !== "conflict") {
              throw error;
            }
          }
        }
      }
      client.close();
    };
    await Promise.all([write("a"), write("b")]);
    const { client } = applier(cluster);
    const ledger = await client.get(target("ledger"));
    client.close();
    const { count, ...written } = ledger?.data ?? {};
    assertEquals(count, "400");
    assertEquals(Object.keys(written).length, 400);
    assertEquals(ledger?.metadata.annotations?.[CONTENT_GENERATION], "400");
  },
);

proves(
  "Of two writers that both think an object is not there, one makes it",
  async (cluster) => {
    const [first, second] = [applier(cluster), applier(cluster)];
    const outcomes = await Promise.allSettled(
      [first, second].map(({ applier }, at) =>
        applier.apply(
          CONFIG_MAPS,
          configMap("made", { writer: String(at) }),
          undefined,
        )
      ),
    );
    assertEquals(outcomes.map(({ status }) => status).sort(), [
      "fulfilled",
      "rejected",
    ]);
    const made = await first.client.get(target("made"));
    assertEquals(made?.metadata.annotations?.[CONTENT_GENERATION], "1");
    first.client.close();
    second.client.close();
  },
);

proves(
  "What is as wanted is not written, what somebody changed is",
  async (cluster) => {
    const { client, applier: one } = applier(cluster);
    const wanted = configMap("same", { "config.yaml": "servers: []" });
    const made = await one.apply(CONFIG_MAPS, wanted, undefined);
    assertEquals(made.kind, "created");
    const again = await one.apply(CONFIG_MAPS, wanted, made.object);
    assertEquals(again.kind, "unchanged");
    // Another replica, which has written nothing so far.
    const { client: otherClient, applier: other } = applier(cluster);
    assertEquals(
      (await other.apply(CONFIG_MAPS, wanted, made.object)).kind,
      "unchanged",
    );
    await cluster.admin.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "same", namespace: NAMESPACE },
      data: { "config.yaml": "servers: [forged]" },
    });
    const forged = await client.get(target("same"));
    assertEquals(forged?.data?.["config.yaml"], "servers: [forged]");
    const mended = await one.apply(CONFIG_MAPS, wanted, forged);
    assertEquals(mended.kind, "changed");
    assertEquals(mended.object.data?.["config.yaml"], "servers: []");
    client.close();
    otherClient.close();
  },
);

proves(
  "One who may write a ConfigMap of one name makes it, changes it, and makes no other",
  async (cluster) => {
    const metadata = { name: "by-name", namespace: NAMESPACE };
    const token = await cluster.serviceAccountToken(NAMESPACE, "by-name");
    await cluster.admin.apply({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata,
      rules: [{
        apiGroups: [""],
        resources: ["configmaps"],
        resourceNames: ["by-name"],
        verbs: ["get", "create", "patch"],
      }],
    });
    await cluster.admin.apply({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata,
      roleRef: {
        apiGroup: "rbac.authorization.k8s.io",
        kind: "Role",
        name: "by-name",
      },
      subjects: [{
        kind: "ServiceAccount",
        name: "by-name",
        namespace: NAMESPACE,
      }],
    });
    const client = new KubeClient({ transport: connect(cluster, token) });
    const one = new Applier({ client, log: logTo([]) });
    const made = await one.apply(
      CONFIG_MAPS,
      configMap("by-name", { a: "1" }),
      undefined,
    );
    assertEquals(made.kind, "created");
    const changed = await one.apply(
      CONFIG_MAPS,
      configMap("by-name", { a: "2" }),
      made.object,
    );
    assertEquals(changed.kind, "changed");
    const error = await assertRejects(
      () => one.apply(CONFIG_MAPS, configMap("another", { a: "1" }), undefined),
      KubeError,
    );
    assertEquals(error.kind, "forbidden");
    client.close();
  },
);

proves("A member that is not wanted any more goes", async (cluster) => {
  const { client, applier: one } = applier(cluster);
  const { object } = await one.apply(
    CONFIG_MAPS,
    configMap("shrinks", { a: "1", b: "2" }),
    undefined,
  );
  const after = await one.apply(
    CONFIG_MAPS,
    configMap("shrinks", { a: "1" }),
    object,
  );
  assertEquals(after.object.data, { a: "1" });
  client.close();
});

proves(
  "A writer that knows less than another is refused, and the other's content stays",
  async (cluster) => {
    const { client, applier: one } = applier(cluster);
    const { object: known } = await one.apply(
      CONFIG_MAPS,
      configMap("newer", { plan: "1" }),
      undefined,
    );
    await one.apply(CONFIG_MAPS, configMap("newer", { plan: "3" }), known);
    const { client: otherClient, applier: late } = applier(cluster);
    const error = await assertRejects(
      () => late.apply(CONFIG_MAPS, configMap("newer", { plan: "2" }), known),
      KubeError,
    );
    assertEquals(error.kind, "conflict");
    assertEquals((await client.get(target("newer")))?.data, { plan: "3" });
    client.close();
    otherClient.close();
  },
);

proves(
  "An object that is not ours is neither written nor deleted",
  async (cluster) => {
    const { client, applier: one } = applier(cluster);
    await cluster.admin.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "theirs", namespace: NAMESPACE },
      data: { a: "theirs" },
    });
    const theirs = await client.get(target("theirs"));
    assert(theirs);
    await assertRejects(
      () => one.apply(CONFIG_MAPS, configMap("theirs", { a: "ours" }), theirs),
      ForeignObjectError,
    );
    assertEquals(await one.remove(CONFIG_MAPS, theirs), false);
    assertEquals((await client.get(target("theirs")))?.data, { a: "theirs" });
    client.close();
  },
);

proves(
  "An object of ours is deleted, whatever has become of it meanwhile",
  async (cluster) => {
    const { client, applier: one } = applier(cluster);
    const { object } = await one.apply(
      CONFIG_MAPS,
      configMap("leaves", { a: "1" }),
      undefined,
    );
    await one.apply(CONFIG_MAPS, configMap("leaves", { a: "2" }), object);
    assertEquals(await one.remove(CONFIG_MAPS, object), true);
    assertEquals(await client.get(target("leaves")), undefined);
    client.close();
  },
);

for (
  const { name, bytes } of [
    { name: "than a ConfigMap may be", bytes: 1_100_000 },
    { name: "than a request may be", bytes: 4_000_000 },
  ]
) {
  proves(
    `Content larger ${name} is an error of its own, and the old stays`,
    async (cluster) => {
      const { client, applier: one } = applier(cluster);
      const object = configMap(`large-${bytes}`, { a: "small" });
      const known = await one.apply(CONFIG_MAPS, object, undefined);
      const error = await assertRejects(
        () =>
          one.apply(
            CONFIG_MAPS,
            { ...object, data: { a: "x".repeat(bytes) } },
            known.object,
          ),
        ObjectTooLargeError,
      );
      assert(error.bytes > bytes);
      assertEquals((await client.get(target(`large-${bytes}`)))?.data, {
        a: "small",
      });
      client.close();
    },
  );
}

proves(
  "A status is written once, bound to the specification it is about, and others' conditions stay",
  async (cluster) => {
    const client = new KubeClient({ transport: connect(cluster) });
    const made = await client.create(REGISTRATIONS, {
      apiVersion: "mcp.kuadrant.io/v1",
      kind: "MCPServerRegistration",
      metadata: { name: "weather", namespace: NAMESPACE },
      spec: { targetRef: { name: "weather" } },
    });
    const found = (reason: string, at: string) => {
      return (status: Readonly<Record<string, unknown>>) => ({
        conditions: mergeConditions(
          (status.conditions ?? []) as readonly Condition[],
          [{
            type: "Ready",
            status: "False",
            reason,
            message: "",
            observedGeneration: 1,
          }],
          ["Ready"],
          at,
        ),
      });
    };
    const first = await writeStatus(
      client,
      REGISTRATIONS,
      made,
      found("Pending", "2026-01-01T00:00:00Z"),
    );
    assert(first.kind === "changed");
    const again = await writeStatus(
      client,
      REGISTRATIONS,
      first.after,
      found("Pending", "2026-01-02T00:00:00Z"),
    );
    assertEquals(again.kind, "unchanged");

    // Somebody else's condition, which we have not heard of.
    const { resourceVersion = "" } = first.after.metadata;
    const { conditions } = first.after.status as { conditions: Condition[] };
    await client.patchStatus(
      { resource: REGISTRATIONS, namespace: NAMESPACE, name: "weather" },
      resourceVersion,
      {
        conditions: [...conditions, {
          type: "Audited",
          status: "True",
          reason: "Done",
          message: "",
          lastTransitionTime: "2026-01-01T00:00:00Z",
        }],
      },
    );
    const third = await writeStatus(
      client,
      REGISTRATIONS,
      first.after,
      found("Unreachable", "2026-01-03T00:00:00Z"),
    );
    assert(third.kind === "changed");
    const after = third.after.status as { conditions: Condition[] };
    assertEquals(
      after.conditions.map(({ type, reason, lastTransitionTime }) =>
        `${type} ${reason} ${lastTransitionTime.slice(0, 10)}`
      ),
      ["Ready Unreachable 2026-01-01", "Audited Done 2026-01-01"],
    );

    // A newer specification, of which nothing is known yet.
    await cluster.admin.apply({
      apiVersion: "mcp.kuadrant.io/v1",
      kind: "MCPServerRegistration",
      metadata: { name: "weather", namespace: NAMESPACE },
      spec: { targetRef: { name: "another" } },
    });
    const late = await writeStatus(
      client,
      REGISTRATIONS,
      third.after,
      found("Listed", "2026-01-04T00:00:00Z"),
    );
    assertEquals(late.kind, "outdated");
    client.close();
  },
);

proves("An Event tells of an object", async (cluster) => {
  const client = new KubeClient({ transport: connect(cluster) });
  const regarding = await client.create(
    CONFIG_MAPS,
    configMap("eventful", {}),
  );
  const log: string[] = [];
  const recorder = new EventRecorder({
    client,
    instance: "controller-0",
    now: Date.now,
    monotonic: () => performance.now(),
    unique: () => crypto.randomUUID().slice(0, 8),
    log: logTo(log),
  });
  recorder.record({
    regarding,
    type: "Warning",
    reason: "TooLarge",
    action: "Reconcile",
    note: "Cannot write: ü".repeat(200),
  });
  await recorder.finish();
  assertEquals(recorder.dropped, 0, log.join("\n"));
  const { signal } = new AbortController();
  const { items } = await client.list(EVENTS, { namespace: NAMESPACE, signal });
  const [event] = items as (KubeObject & {
    reason: string;
    regarding: { name: string };
  })[];
  assertEquals(event?.reason, "TooLarge");
  assertEquals(event?.regarding.name, "eventful");
  client.close();
});

proves("A kubeconfig leads to the API server", async (cluster) => {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  await Deno.writeTextFile(
    file,
    JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "here",
      contexts: [{
        name: "here",
        context: { cluster: "here", user: "me", namespace: NAMESPACE },
      }],
      clusters: [{
        name: "here",
        cluster: {
          server: `${cluster.url}/`,
          "certificate-authority-data": btoa(cluster.caCert),
        },
      }],
      users: [{
        name: "me",
        user: { token: cluster.admin.config.getCurrentUser()?.token },
      }],
    }),
  );
  const access = await kubeconfigAccess({ file });
  assertEquals(access.namespace, NAMESPACE);
  const client = new KubeClient({ transport: new HttpTransport(access) });
  const found = await client.get({
    resource: CONFIG_MAPS,
    namespace: NAMESPACE,
    name: "kube-root-ca.crt",
  });
  assertEquals(found, undefined);
  client.close();
  await Deno.remove(file);
});

proves(
  "A request without credentials is refused as forbidden",
  async (cluster) => {
    const client = new KubeClient({ transport: connect(cluster, "wrong") });
    const error = await assertRejects(
      () => client.get(target("any")),
      KubeError,
    );
    assertEquals(error.kind, "forbidden");
    assertStringIncludes(error.message, "Cannot get configmaps any: 401");
    assert(!error.message.includes("wrong"));
    client.close();
  },
);
