import { assertEquals, assertRejects } from "@std/assert";
import { config, options, server } from "../../shared/envoy/_testing.ts";
import type { TakenKind } from "../../shared/envoy/admin.ts";
import { type EnvoyServers, envoyServers } from "../../shared/envoy/files.ts";
import { type Update, updateEnvoy } from "./update.ts";

const IO = {
  secretsDir: "/",
  readTextFile: () => Promise.reject(new Error("nothing is read")),
  env: () => undefined,
};

function serversOf(...names: readonly string[]): Promise<EnvoyServers> {
  return envoyServers(
    config(...names.map((name) => server(name))),
    options(),
    IO,
  );
}

/** An Envoy that notes what it is told, and refuses one kind of it. */
async function world(
  before: readonly string[] | undefined,
  refuses?: TakenKind,
): Promise<{ readonly told: string[]; readonly update: Update }> {
  const told: string[] = [];
  const names = ({ routed }: EnvoyServers) =>
    routed.map(({ server }) => server.name).sort().join(" ");
  const files: Update["files"] = {
    clusters: (servers) => {
      told.push(`clusters ${names(servers)}`);
      return Promise.resolve();
    },
    routes: (servers) => {
      told.push(`routes ${names(servers)}`);
      return Promise.resolve();
    },
    listener: (version) => {
      told.push(`listener ${version}`);
      return Promise.resolve();
    },
    undo: () => {
      told.push("undo");
      return Promise.resolve();
    },
    bootstrap: () => {
      told.push("bootstrap");
      return Promise.resolve(true);
    },
  };
  return {
    told,
    update: {
      version: "v2",
      listenerVersion: "l1",
      now: await serversOf("new", "stays"),
      before: before && await serversOf(...before),
      files,
      take: async (kind, _version, write) => {
        await write();
        if (kind === refuses) throw new Error(`no such ${kind}`);
      },
      publish: () => {
        told.push("publish");
        return Promise.resolve();
      },
    },
  };
}

Deno.test("updateEnvoy() tells Envoy of old and new servers before programs hear of the new", async () => {
  const { told, update } = await world(["old", "stays"]);
  assertEquals(await updateEnvoy(update), { restart: true });
  assertEquals(told, [
    "clusters new old stays",
    "routes new old stays",
    "listener l1",
    "bootstrap",
    "publish",
  ]);
});

Deno.test("updateEnvoy() forgets what was old the next time", async () => {
  const { told, update } = await world(["new", "stays"]);
  await updateEnvoy(update);
  assertEquals(told[1], "routes new stays");
});

Deno.test("updateEnvoy() takes back what Envoy refuses, and publishes nothing", async () => {
  const { told, update } = await world(["old", "stays"], "routes");
  await assertRejects(() => updateEnvoy(update), Error, "no such routes");
  assertEquals(told, [
    "clusters new old stays",
    "routes new old stays",
    "undo",
  ]);
});

Deno.test("updateEnvoy() takes back everything where Envoy refuses the listener", async () => {
  const { told, update } = await world(undefined, "listener");
  await assertRejects(() => updateEnvoy(update), Error, "no such listener");
  assertEquals(told, [
    "clusters new stays",
    "routes new stays",
    "listener l1",
    "undo",
  ]);
});
