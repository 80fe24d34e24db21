/**
 * Two replicas on a real API server, of which one may write.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { LEASES } from "../../controller/kube/leader_election.ts";
import { KubeClient } from "../../shared/kube/client.ts";
import { CONFIG_MAPS, type KubeObject } from "../../shared/kube/object.ts";
import { LocalProcess } from "../../shared/local/processes.ts";
import type { Cluster } from "./_cluster.ts";
import { connect, until } from "./_kube.ts";
import { controlPlane } from "./_world.ts";

const proves = controlPlane({ gatewayApi: false });

const HOLDER = new URL("_lease_holder.ts", import.meta.url).pathname;

/** Rights of a replica: the lease and the ledger, and nothing else. */
async function tokenOf(cluster: Cluster, namespace: string): Promise<string> {
  const token = await cluster.serviceAccountToken(namespace, "replica");
  const metadata = { name: "replica", namespace };
  await cluster.admin.apply({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata,
    rules: [
      {
        apiGroups: ["coordination.k8s.io"],
        resources: ["leases"],
        verbs: ["get", "create", "update"],
      },
      { apiGroups: [""], resources: ["configmaps"], verbs: ["get", "update"] },
    ],
  });
  await cluster.admin.apply({
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata,
    roleRef: {
      apiGroup: "rbac.authorization.k8s.io",
      kind: "Role",
      name: "replica",
    },
    subjects: [{ kind: "ServiceAccount", name: "replica", namespace }],
  });
  return token;
}

/** Who wrote into the ledger, in the order of the writes. */
async function follow(
  client: KubeClient,
  namespace: string,
  writers: string[],
  signal: AbortSignal,
): Promise<void> {
  const selection = {
    namespace,
    fieldSelector: "metadata.name=ledger",
    signal,
  };
  const { resourceVersion } = await client.list(CONFIG_MAPS, selection);
  const events = client.watch(CONFIG_MAPS, {
    ...selection,
    resourceVersion,
    timeoutSeconds: 300,
    idleMs: 300_000,
  });
  try {
    for await (const event of events) {
      if (event.kind !== "object") continue;
      writers.push(event.object.data?.writer ?? "");
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Runs of equal writers: `a a b` is `a b`. */
function turns(writers: readonly string[]): string {
  return writers.filter((one, at) => one !== writers[at - 1]).join(" ");
}

function holderOf(lease: KubeObject | undefined): unknown {
  return (lease?.spec as { holderIdentity?: string } | undefined)
    ?.holderIdentity;
}

proves(
  "A leader that is frozen is replaced within 20 seconds and writes nothing when it thaws; one that ends is replaced at once",
  async (cluster) => {
    const namespace = "election";
    await cluster.createNamespace(namespace);
    const token = await tokenOf(cluster, namespace);
    await cluster.admin.apply({
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "ledger", namespace },
    });
    const caFile = await Deno.makeTempFile({ prefix: "lease-holder-ca-" });
    await Deno.writeTextFile(caFile, cluster.caCert);
    const replica = (identity: string) =>
      new LocalProcess({
        name: identity,
        command: Deno.execPath(),
        args: [
          ...["run", "--no-check", `--allow-read=${caFile}`, "--allow-net"],
          ...[HOLDER, cluster.url, caFile, token, identity, namespace],
        ],
      });
    const client = new KubeClient({ transport: connect(cluster) });
    const writers: string[] = [];
    const stop = new AbortController();
    const following = follow(client, namespace, writers, stop.signal);
    try {
      await using a = replica("a");
      await using b = replica("b");
      await a.start();
      await until("a to write", () => writers.length > 5 ? true : undefined);
      await b.start();
      const lease = { resource: LEASES, namespace, name: "leader" };
      // It has been there for a while, and seen the lease.
      const seenAt = writers.length;
      await until(
        "a to go on",
        () => writers.length > seenAt + 50 ? true : undefined,
      );
      assertEquals(holderOf(await client.get(lease)), "a");

      a.kill("SIGSTOP");
      const frozenAt = performance.now();
      await until("b to write", () => writers.includes("b") ? true : undefined);
      const takeoverMs = performance.now() - frozenAt;
      console.log(`takeover after ${Math.round(takeoverMs)} ms`);
      assert(takeoverMs < 20_000, `takeover after ${takeoverMs} ms`);

      a.kill("SIGCONT");
      await until(
        "a to notice",
        () => a.log.includes("not leading") ? true : undefined,
      );
      const noticedAt = writers.length;
      await until(
        "b to go on",
        () => writers.length > noticedAt + 50 ? true : undefined,
      );
      assertEquals(turns(writers), "a b");

      const endedAt = performance.now();
      await b.stop();
      await until("a again", () => writers.at(-1) === "a" ? true : undefined);
      console.log(
        `given back and taken after ${
          Math.round(performance.now() - endedAt)
        } ms`,
      );
      assertEquals(turns(writers), "a b a");
    } finally {
      stop.abort();
      await following;
      client.close();
      await Deno.remove(caFile);
    }
  },
);
