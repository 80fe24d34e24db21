/**
 * The controller as a program with a thousand registrations: one configuration
 * for all, nothing written when nothing changed, and no more memory than a pod
 * has.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { waitFor } from "../../shared/wait.ts";
import type { KubeObject } from "./_client.ts";
import type { Cluster } from "./_cluster.ts";
import {
  CONFIG,
  configOf,
  Controller,
  ENVOY_FILTERS,
  GATEWAY,
  named,
  serverOf,
  TEAM,
} from "./_controller.ts";
import { until } from "./_kube.ts";
import { controlPlane } from "./_world.ts";

const SERVERS = 1_000;
/** Requests at a time. */
const ABREAST = 16;
/** Each is written twice, which takes a busy machine a while. */
const READY_MS = 90_000;
/** What `manifests/controller/deployment.yaml` gives it. */
const MAX_BYTES = 512 * 1024 * 1024;
const REGISTRATIONS =
  `/apis/mcp.kuadrant.io/v1/namespaces/${TEAM}/mcpserverregistrations`;

const proves = controlPlane({
  manifests: [""],
  setUp: async (cluster) => {
    await cluster.admin.applyYaml(ENVOY_FILTERS);
    await cluster.createNamespace(TEAM);
    await cluster.admin.applyYaml(GATEWAY);
    await Promise.all(
      parts(SERVERS, ABREAST).map(async (names) => {
        for (const name of names) {
          for (const object of serverOf(name)) {
            await cluster.admin.apply(object);
          }
        }
      }),
    );
  },
});

/** Names of servers, dealt out. */
function parts(count: number, hands: number): readonly string[][] {
  return Array.from(
    { length: hands },
    (_, hand) =>
      Array.from({ length: count }, (_, i) => `s${i}`).filter((_, i) =>
        i % hands === hand
      ),
  );
}

async function registrations(
  { admin }: Cluster,
): Promise<readonly KubeObject[]> {
  const { items } = await admin.request<{ items: KubeObject[] }>(
    "GET",
    REGISTRATIONS,
  );
  return items;
}

/** Has it plan again, by something that changes nothing of the plan. */
async function disturb(
  { admin }: Cluster,
  controller: Controller,
  port: number,
): Promise<void> {
  const { queue: { attempts } } = await controller.untilIdle();
  await admin.apply({
    ...named("Service", "another", TEAM),
    spec: { ports: [{ port }] },
  });
  await until(
    "another plan",
    async () =>
      ((await controller.status())?.queue.attempts ?? 0) > attempts ||
      undefined,
  );
  await controller.untilIdle();
}

proves(
  "A thousand registrations make one configuration, nothing is written when nothing changed, and memory stays within a pod's",
  async (cluster) => {
    await using controller = await Controller.start(cluster);
    try {
      const startedAt = performance.now();
      await until(
        "all servers to be configured",
        async () =>
          (await configOf(cluster))?.servers.length === SERVERS || undefined,
      );
      const configuredMs = performance.now() - startedAt;
      // Statuses are many and take a while; what is served does not wait.
      const early = performance.now();
      const [, late] = serverOf("s500", { hint: "changed" });
      await cluster.admin.apply(late);
      await until(
        "a change while statuses are written",
        async () =>
          (await configOf(cluster))?.servers.find(({ name }) =>
              name === `${TEAM}/s500`
            )?.hint === "changed" || undefined,
      );
      const earlyMs = Math.round(performance.now() - early);
      const { statuses } = await controller.status() ?? {};
      console.log(
        `a change was written after ${earlyMs} ms, when ${statuses?.waiting} ` +
          "statuses still waited",
      );
      let notReady = SERVERS;
      await waitFor(async () => {
        notReady = (await registrations(cluster)).filter(({ status }) =>
          !status?.conditions?.some((
            one: { type: string; status: string },
          ) =>
            one.type === "Ready" && one.status === "True"
          )
        ).length;
        return notReady === 0 || undefined;
      }, {
        what: "all registrations to be ready",
        timeoutMs: READY_MS,
      }).catch((cause) => {
        throw new Error(`${cause}: ${notReady} are not`, { cause });
      });
      console.log(
        `configured ${Math.round(configuredMs)} ms after its start, all ` +
          `ready after ${Math.round(performance.now() - startedAt)} ms`,
      );
      const { lastPlan } = await controller.untilIdle();

      const config = named("ConfigMap", CONFIG);
      const versions = async () => [
        (await cluster.admin.get(config)).metadata.resourceVersion,
        ...(await registrations(cluster)).map(({ metadata }) =>
          metadata.resourceVersion
        ),
      ];
      const before = await versions();
      const memory: number[] = [];
      for (let i = 1; i <= 12; i++) {
        await disturb(cluster, controller, i);
        memory.push(await controller.metric("process_resident_memory_bytes"));
      }
      assertEquals(await versions(), before);
      const [first = 0, last = 0] = [memory[3], memory.at(-1)];
      const megabytes = memory.map((one) => Math.round(one / 1e6));
      console.log(
        `a plan that writes nothing took ${lastPlan?.durationMs} ms; memory ` +
          `over the plans: ${megabytes.join(" ")} MB`,
      );
      assert(Math.max(...memory) < MAX_BYTES, `${megabytes} MB`);
      // What a plan leaves behind would be there a dozen times.
      assert(last < first * 1.3, `it grows: ${megabytes} MB`);

      const [, one] = serverOf("s500", { hint: "changed", state: "Disabled" });
      const changedAt = performance.now();
      await cluster.admin.apply(one);
      await until(
        "a change of one of them",
        async () =>
          (await configOf(cluster))?.servers.find(({ name }) =>
              name === `${TEAM}/s500`
            )?.state === "Disabled" || undefined,
      );
      console.log(
        `a change of one was written after ${
          Math.round(performance.now() - changedAt)
        } ms`,
      );
      await controller.untilIdle();
      const after = await versions();
      assertEquals(
        after.filter((version) => !before.includes(version)).length,
        2,
        "more than the configuration and the one registration was written",
      );
    } catch (cause) {
      throw new Error(`${cause}\n${controller.process.log.join("\n")}`, {
        cause,
      });
    }
  },
);
