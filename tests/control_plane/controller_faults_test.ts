/**
 * The controller as a program while something around it breaks: what is served
 * stays, nothing stale is written, and it converges.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { CONTENT_GENERATION } from "../../controller/kube/apply.ts";
import { KubeClient } from "../../shared/kube/client.ts";
import { CONFIG_MAPS } from "../../shared/kube/object.ts";
import { delay } from "../../shared/wait.ts";
import type { KubeObject } from "./_client.ts";
import type { Cluster } from "./_cluster.ts";
import {
  cleanUp,
  CONFIG,
  configOf,
  Controller,
  ENVOY_FILTERS,
  EXTENSION,
  GATEWAY,
  HOME,
  messageOf,
  named,
  registration,
  serverOf,
  TEAM,
  untilCondition,
  untilServers,
  withController,
} from "./_controller.ts";
import { Broker } from "./_data_plane.ts";
import { connect, until } from "./_kube.ts";
import { controlPlane } from "./_world.ts";

const proves = controlPlane({
  manifests: [""],
  setUp: async (cluster) => {
    await cluster.admin.applyYaml(ENVOY_FILTERS);
    await cluster.createNamespace(TEAM);
  },
});

/** Writes until it is taken: the API server may be away. */
async function insist({ admin }: Cluster, object: KubeObject): Promise<void> {
  await until(
    `${object.kind} ${object.metadata.name} to be taken`,
    () => admin.apply(object).then(() => true, () => undefined),
  );
}

async function untilBrokerHas(
  broker: Broker,
  want: readonly string[],
): Promise<void> {
  let have: readonly string[] = [];
  await until(`the broker to have ${want}`, async () => {
    have = (await broker.servers()).toSorted();
    return JSON.stringify(have) === JSON.stringify(want.toSorted()) ||
      undefined;
  }).catch((cause) => {
    throw new Error(`${cause}: it has ${have}`, { cause });
  });
}

/** Looks at a broker all the time, and keeps what is wrong with it. */
function observe(
  broker: Broker,
): { end(): Promise<{ looks: number; problems: readonly string[] }> } {
  const stop = new AbortController();
  const problems: string[] = [];
  let looks = 0;
  const looking = (async () => {
    while (!stop.signal.aborted) {
      try {
        const notReady = await broker.notReady();
        if (notReady !== undefined) problems.push(notReady);
        const servers = await broker.servers();
        if (!servers.some((one) => one.startsWith("team/weather"))) {
          problems.push(`it has ${servers}`);
        }
      } catch (error) {
        problems.push(String(error));
      }
      looks++;
      await delay(20);
    }
  })();
  return {
    end: async () => {
      stop.abort();
      await looking;
      return { looks, problems };
    },
  };
}

proves(
  "An API server that is killed under changes and comes back: what is served stays, and everything converges",
  (cluster) =>
    withController(cluster, async () => {
      await using broker = await Broker.start(cluster);
      await cluster.admin.apply(registration());
      await until("the broker to be ready", async () =>
        await broker.notReady() === undefined || undefined);
      await untilBrokerHas(broker, ["team/weather"]);

      const observed = observe(broker);
      const changing = (async () => {
        for (let i = 0; i < 20; i++) {
          for (const object of serverOf(`server-${i}`)) {
            await insist(cluster, object);
          }
        }
      })();
      cluster.apiServer.kill();
      await cluster.apiServer.ended;
      await cluster.apiServer.start();
      const back = performance.now();
      await changing;
      await insist(cluster, registration({ state: "Disabled" }));
      const names = Array.from({ length: 20 }, (_, i) =>
        `team/server-${i}`);
      await until("every server to be configured", async () =>
        (await configOf(cluster))?.servers.length === 21 || undefined);
      await untilBrokerHas(broker, ["team/weather disabled", ...names]);
      await untilCondition(cluster, registration(), "Ready", "False Disabled");
      console.log(
        `converged ${
          Math.round(performance.now() - back)
        } ms after the API server was back`,
      );
      const { looks, problems } = await observed.end();
      assertEquals(problems, []);
      assert(looks > 10, `nobody looked at the broker: ${looks}`);
    }),
);

proves(
  "A controller whose watches etcd has forgotten lists anew, and takes away what has gone meanwhile",
  (cluster) =>
    withController(cluster, async (controller) => {
      const { admin } = cluster;
      const [, other] = serverOf("other");
      for (const object of serverOf("other")) await admin.apply(object);
      await admin.apply(registration());
      await until("both servers", async () =>
        (await configOf(cluster))?.servers.length === 2 || undefined);
      const { watches: before = [] } = await controller.untilIdle();

      controller.process.kill("SIGSTOP");
      // Its connections end, so that nobody tells it of what follows.
      await cluster.apiServer.restart();
      await admin.delete(other);
      await admin.apply(registration({ path: "/other" }));
      await cluster.compact();
      // Its cache of changes goes with it.
      await cluster.apiServer.restart();
      controller.process.kill("SIGCONT");

      await untilServers(cluster, ["team/weather weather_ Enabled"]);
      await until("the other path", async () =>
        (await configOf(cluster))?.servers[0]?.url.endsWith("/other") ||
        undefined);
      const { watches: after = [] } = await controller.status() ?? {};
      const lists = (watches: typeof before) =>
        watches.find(({ kind }) =>
          kind.startsWith("MCPServerRegistration")
        )
          ?.lists ?? 0;
      assert(lists(after) > lists(before), "it was not told that it is gone");
      assert(
        controller.process.log.some((line) =>
          line.includes("watch cannot go on")
        ),
        "no watch was refused",
      );
    }),
);

/** One state of the configuration. */
interface State {
  readonly servers: number;
  readonly generation: number;
}

/** Keeps each state of the configuration, in the order of the writes. */
async function follow(
  cluster: Cluster,
  states: State[],
  signal: AbortSignal,
): Promise<void> {
  const cable = connect(cluster);
  const client = new KubeClient({ transport: cable });
  const selection = {
    namespace: HOME,
    fieldSelector: `metadata.name=${CONFIG}`,
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
      const { data, metadata } = event.object;
      states.push({
        servers: JSON.parse(data?.["config.yaml"] ?? "").servers.length,
        generation: Number(metadata.annotations?.[CONTENT_GENERATION]),
      });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    cable.close();
  }
}

proves(
  "Of two controllers the leader is frozen: the other takes over, and nothing stale is written when it thaws",
  async (cluster) => {
    await cluster.admin.applyYaml(GATEWAY);
    await using first = await Controller.start(cluster, { name: "first" });
    await first.untilLeading();
    await using second = await Controller.start(cluster, { name: "second" });
    await until(
      "the second to have seen everything",
      () => second.ask("/readyz"),
    );
    const stop = new AbortController();
    const states: State[] = [];
    try {
      await cluster.admin.apply(registration());
      await untilServers(cluster, ["team/weather weather_ Enabled"]);
      await first.untilIdle();
      assertEquals((await second.status())?.leads, false);
      const following = follow(cluster, states, stop.signal);

      // Frozen with something to write.
      await Promise.all(
        serverOf("late-1").map((object) => cluster.admin.apply(object)),
      );
      first.process.kill("SIGSTOP");
      const frozen = performance.now();
      await second.untilLeading();
      console.log(
        `taken over after ${Math.round(performance.now() - frozen)} ms`,
      );
      for (const name of ["late-2", "late-3"]) {
        for (const object of serverOf(name)) await cluster.admin.apply(object);
      }
      await until(
        "the second to write",
        async () =>
          (await configOf(cluster))?.servers.length === 4 || undefined,
      );
      await second.untilIdle();
      const before = states.length;
      first.process.kill("SIGCONT");
      const { identity } = await second.untilIdle();
      await until("the first to hear of its successor", async () => {
        const status = await first.status();
        return (status?.leads === false && status.leader === identity) ||
          undefined;
      });
      await cluster.admin.apply(registration({ state: "Disabled" }));
      await until(
        "the second to write that, too",
        async () =>
          (await configOf(cluster))?.servers.find(({ name }) =>
              name === "team/weather"
            )?.state === "Disabled" || undefined,
      );
      await second.untilIdle();
      // Never a step back, and one writer: each write is the next one.
      const servers = states.map((one) => one.servers);
      assertEquals(servers, servers.toSorted((a, b) => a - b));
      const generations = states.map((one) => one.generation);
      assertEquals(
        generations,
        generations.map((_, i) => (generations[0] ?? 0) + i),
      );
      assertEquals(states.length, before + 1);
      assertEquals((await first.status())?.leads, false);
      stop.abort();
      await following;

      // One that ends gives way at once.
      await second.process.stop();
      await first.untilLeading();
    } catch (cause) {
      throw new Error(
        `${cause}\n${JSON.stringify(states)}\n${
          [first, second].flatMap(({ process }) => process.log).join("\n")
        }`,
        { cause },
      );
    } finally {
      stop.abort();
      first.process.kill("SIGCONT");
      await first.process.stop();
      await second.process.stop();
      await cleanUp(cluster);
    }
  },
);

proves(
  "A configuration that no ConfigMap can hold is said where it matters, and the last one stays",
  (cluster) =>
    withController(cluster, async (controller) => {
      const { admin } = cluster;
      await admin.apply(registration());
      await untilCondition(cluster, registration(), "Ready", "True Ready");
      const selection = (i: number): KubeObject => ({
        ...named("MCPVirtualServer", `large-${i}`, TEAM),
        apiVersion: "mcp.kuadrant.io/v1",
        spec: { tools: ["weather_now"], description: "x".repeat(300_000) },
      });
      for (const i of [1, 2, 3, 4]) await admin.apply(selection(i));
      await untilCondition(
        cluster,
        EXTENSION,
        "Programmed",
        "False ConfigTooLarge",
      );
      await untilCondition(
        cluster,
        selection(4),
        "Programmed",
        "False ConfigTooLarge",
      );
      assert(
        (await messageOf(cluster, EXTENSION, "Programmed")).includes(
          "1048576 is the most",
        ),
      );
      // What is served already is none of it.
      await untilCondition(cluster, registration(), "Ready", "True Ready");
      assertEquals((await configOf(cluster))?.servers.length, 1);
      assert(controller.process.running);
      await admin.delete(selection(4));
      await untilCondition(cluster, EXTENSION, "Programmed", "True Programmed");
      await until("the others", async () =>
        (await configOf(cluster))?.virtualServers.length === 3 || undefined);
    }),
);

proves(
  "What somebody else changes in the configuration is put right, what they add stays, and neither writes over the other for ever",
  (cluster) =>
    withController(cluster, async (controller) => {
      const { admin } = cluster;
      const config = named("ConfigMap", CONFIG);
      await admin.apply(registration());
      await untilCondition(cluster, registration(), "Ready", "True Ready");
      await controller.untilIdle();
      await admin.apply({
        ...config,
        metadata: { ...config.metadata, annotations: { owner: "somebody" } },
        data: { "config.yaml": '{"servers":[]}', notes: "theirs" },
      });
      await untilServers(cluster, ["team/weather weather_ Enabled"]);
      await controller.untilIdle();
      const { data, metadata } = await admin.get(config);
      const annotations = metadata.annotations as Record<string, string>;
      assertEquals(annotations.owner, "somebody");
      assertEquals(Object.keys(data).sort(), ["config.yaml", "notes"]);
      const { queue: { attempts } } = await controller.untilIdle();
      await admin.apply({
        ...named("Service", "another", TEAM),
        spec: { ports: [{ port: 2 }] },
      });
      await until("another plan", async () =>
        ((await controller.status())?.queue.attempts ?? 0) > attempts ||
        undefined);
      const later = await admin.get(config);
      assertEquals(later.metadata.resourceVersion, metadata.resourceVersion);
    }),
);
