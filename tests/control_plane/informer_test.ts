/**
 * Informers on a real API server: what they see after each way in which a
 * watch can end.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { KubeClient } from "../../shared/kube/client.ts";
import { KubeError } from "../../shared/kube/kube_error.ts";
import {
  CONFIG_MAPS,
  type KubeObject,
  type Resource,
} from "../../shared/kube/object.ts";
import type { KubeClient as TestClient } from "./_client.ts";
import type { Cluster } from "./_cluster.ts";
import { connect, until, Watched } from "./_kube.ts";
import { controlPlane } from "./_world.ts";

const proves = controlPlane({ gatewayApi: false });

let made = 0;

/** A namespace of the test's own. */
async function namespace(cluster: Cluster): Promise<string> {
  const name = `informer-${++made}`;
  await cluster.createNamespace(name);
  return name;
}

function configMap(namespace: string, name: string, value: string) {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace },
    data: { value },
  };
}

/** Writes through a server that may be down. */
async function persistently(write: () => Promise<unknown>): Promise<void> {
  await until("the API server to take a write", async () => {
    try {
      await write();
      return true;
    } catch {
      return undefined;
    }
  });
}

/** What an informer has, as text. */
function shown(objects: readonly KubeObject[]): string {
  return objects.map(({ metadata, data }) => `${metadata.name}=${data?.value}`)
    .sort().join(" ");
}

proves("An informer sees objects come, change and go", async (cluster) => {
  const ns = await namespace(cluster);
  await cluster.admin.apply(configMap(ns, "a", "1"));
  await using watched = new Watched(cluster, CONFIG_MAPS, ns);
  await watched.informer.synced;
  assertEquals(shown(watched.informer.list()), "a=1");
  await cluster.admin.apply(configMap(ns, "b", "1"));
  await cluster.admin.apply(configMap(ns, "a", "2"));
  await watched.until("a=2 b=1", (one) => shown(one.list()) === "a=2 b=1");
  await cluster.admin.delete(configMap(ns, "a", ""));
  await watched.until("b=1", (one) => shown(one.list()) === "b=1");
  assertEquals(watched.informer.get("b", ns)?.kind, "ConfigMap");
  assertEquals(watched.informer.health.lists, 1);
});

proves("An informer lists more objects than fit on a page", async (cluster) => {
  const ns = await namespace(cluster);
  const names = Array.from({ length: 505 }, (_, i) => `object-${i}`);
  const client = new KubeClient({ transport: connect(cluster) });
  for (let at = 0; at < names.length; at += 20) {
    await Promise.all(
      names.slice(at, at + 20).map((name) =>
        client.create(CONFIG_MAPS, configMap(ns, name, "1"))
      ),
    );
  }
  client.close();
  await using watched = new Watched(cluster, CONFIG_MAPS, ns);
  await watched.informer.synced;
  assertEquals(watched.informer.list().length, 505);
});

proves(
  "An informer lists anew, deletes included, when etcd has forgotten where its watch was",
  async (cluster) => {
    const ns = await namespace(cluster);
    for (const name of ["gone", "kept", "changed"]) {
      await cluster.admin.apply(configMap(ns, name, "1"));
    }
    await using watched = new Watched(cluster, CONFIG_MAPS, ns);
    await watched.informer.synced;
    watched.cable.cut();
    await cluster.admin.delete(configMap(ns, "gone", ""));
    await cluster.admin.apply(configMap(ns, "changed", "2"));
    await cluster.admin.apply(configMap(ns, "new", "1"));
    await cluster.compact();
    await cluster.apiServer.restart();
    const before = watched.told.length;
    const startedAt = performance.now();
    watched.cable.mend();
    const want = "changed=2 kept=1 new=1";
    await watched.until(want, (one) => shown(one.list()) === want);
    console.log(
      `converged ${
        Math.round(performance.now() - startedAt)
      } ms after the cable was mended`,
    );
    assertEquals(watched.informer.health.lists, 2);
    assertEquals(
      watched.told.slice(before).sort(),
      ["changed", "gone", "new"].map((name) => `${ns}/${name}`),
    );
    assert(
      watched.log.some((line) => /watch cannot go on.*410/.test(line)),
      watched.log.join("\n"),
    );
  },
);

proves(
  "A page that begins where etcd has forgotten is refused as gone",
  async (cluster) => {
    const ns = await namespace(cluster);
    for (const name of ["a", "b", "c"]) {
      await cluster.admin.apply(configMap(ns, name, "1"));
    }
    const client = new KubeClient({ transport: connect(cluster) });
    const { signal } = new AbortController();
    const query = { namespace: ns, limit: 1, signal };
    const page = await client.list(CONFIG_MAPS, query);
    assertEquals(page.items.length, 1);
    await cluster.admin.apply(configMap(ns, "d", "1"));
    await cluster.compact();
    await cluster.apiServer.restart();
    const error = await assertRejects(
      () => client.list(CONFIG_MAPS, { ...query, continue: page.continue }),
      KubeError,
    );
    assertEquals(error.kind, "gone");
    client.close();
  },
);

proves(
  "An informer converges when the API server is killed and started again under changes",
  async (cluster) => {
    const ns = await namespace(cluster);
    await using watched = new Watched(cluster, CONFIG_MAPS, ns);
    await watched.informer.synced;
    let writes = 0;
    const stop = new AbortController();
    const writing = (async () => {
      while (!stop.signal.aborted) {
        const name = `object-${writes % 7}`;
        const value = String(++writes);
        const object = configMap(ns, name, value);
        await persistently(() =>
          writes % 5 === 0
            ? cluster.admin.delete(object).catch(notThere)
            : cluster.admin.apply(object)
        );
      }
    })();
    await until("some writes", () => writes > 20 ? true : undefined);
    cluster.apiServer.kill();
    await cluster.apiServer.ended;
    await cluster.apiServer.start();
    const startedAt = performance.now();
    const atRestart = writes;
    await until(
      "more writes",
      () => writes > atRestart + 20 ? true : undefined,
    );
    stop.abort();
    await writing;
    const want = shown(await listed(cluster.admin, ns));
    await watched.until(want, (one) => shown(one.list()) === want);
    console.log(
      `converged ${
        Math.round(performance.now() - startedAt)
      } ms after the API server was ready, ${writes} writes in all`,
    );
    assert(watched.informer.health.failures > 0);
    assertEquals(watched.informer.health.problem, undefined);
  },
);

proves(
  "An informer gives up a watch that has gone silent, and goes on elsewhere",
  async (cluster) => {
    const ns = await namespace(cluster);
    await using watched = new Watched(cluster, CONFIG_MAPS, ns);
    await watched.informer.synced;
    // Seen by the watch, which is open then.
    await cluster.admin.apply(configMap(ns, "before", "1"));
    await watched.until("before=1", (one) => one.list().length === 1);
    cluster.apiServer.kill("SIGSTOP");
    try {
      await watched.until(
        "a dead connection to be noticed",
        (one) => /nothing came for too long/.test(one.health.problem ?? ""),
      );
    } finally {
      cluster.apiServer.kill("SIGCONT");
    }
    await persistently(() => cluster.admin.apply(configMap(ns, "a", "1")));
    const want = "a=1 before=1";
    await watched.until(want, (one) => shown(one.list()) === want);
    assertEquals(watched.informer.health.lists, 1);
  },
);

const WIDGETS: Resource = {
  group: "example.test",
  version: "v1",
  plural: "widgets",
  kind: "Widget",
  namespaced: true,
};

proves(
  "An informer notices that a kind comes to be served, and that it goes",
  async (cluster) => {
    const ns = await namespace(cluster);
    await using watched = new Watched(cluster, WIDGETS);
    await watched.informer.synced;
    assertEquals(watched.informer.health.absent, true);
    assertEquals(watched.informer.health.failures, 0);
    const definition = {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "widgets.example.test" },
      spec: {
        group: WIDGETS.group,
        names: { plural: "widgets", singular: "widget", kind: "Widget" },
        scope: "Namespaced",
        versions: [{
          name: "v1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object" } },
        }],
      },
    };
    await cluster.admin.applyYaml(JSON.stringify(definition));
    await cluster.admin.apply({
      apiVersion: "example.test/v1",
      kind: "Widget",
      metadata: { name: "one", namespace: ns },
    });
    await watched.until("a widget", (one) => one.list().length === 1);
    assertEquals(watched.informer.health.absent, false);
    await cluster.admin.delete(definition);
    await watched.until("no kind", (one) => one.health.absent);
    assertEquals(watched.informer.list(), []);
  },
);

async function listed(
  client: TestClient,
  namespace: string,
): Promise<readonly KubeObject[]> {
  const { items } = await client.request<{ items: readonly KubeObject[] }>(
    "GET",
    `/api/v1/namespaces/${namespace}/configmaps`,
  );
  return items;
}

/** Deleted twice. */
function notThere(error: unknown): void {
  if (!String(error).includes("404")) throw error;
}
