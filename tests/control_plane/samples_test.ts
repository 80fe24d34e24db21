/**
 * The samples in `manifests/`: an API server takes them with strict
 * validation, and Envoy the configuration of the one that is attached by hand.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { parse } from "yaml";
import { extProcFilter } from "../../shared/envoy/ext_proc.ts";
import { defaultCacheDir, findEnvoy } from "../../shared/local/envoy_binary.ts";
import { type KubeObject, readManifests } from "./_client.ts";
import { installFolder } from "./_cluster.ts";
import { findEnvoyGateway, findIstio } from "./_gateway_tools.ts";
import { available } from "./_kube_tools.ts";
import { controlPlane, MANIFESTS_DIR } from "./_world.ts";

/** Definitions of the data planes that samples are for. */
const definitions = [
  await available(findIstio),
  await available(findEnvoyGateway),
].flatMap((found) => found.kind === "there" ? [found.tools.definitions] : []);

const proves = controlPlane({
  manifests: [""],
  setUp: async (cluster) => {
    for (const dir of definitions) await installFolder(cluster.admin, dir);
  },
});

async function samples(): Promise<readonly string[]> {
  const names = await Array.fromAsync(
    Deno.readDir(`${MANIFESTS_DIR}/samples`),
    ({ name }) => name,
  );
  assert(names.length > 3);
  return names.sort();
}

async function read(name: string): Promise<readonly KubeObject[]> {
  return readManifests(
    await Deno.readTextFile(`${MANIFESTS_DIR}/samples/${name}`),
  );
}

if (definitions.length < 2) {
  Deno.test({ name: "Samples", ignore: true, fn: () => {} });
} else {
  proves("an API server takes every sample as it is", async ({ admin }) => {
    for (const name of await samples()) {
      for (const object of await read(name)) {
        const kept = await admin.apply(object);
        assertEquals(kept.metadata.name, object.metadata.name);
      }
    }
  });
}

Deno.test("Envoy takes the configuration of the sample that is attached by hand, which asks the router as the generated one does", async () => {
  const config = (await read("envoy-by-hand.yaml")).find(({ kind }) =>
    kind === "ConfigMap"
  );
  const text: string = config?.data["envoy.yaml"];
  const found: unknown[] = [];
  JSON.stringify(parse(text), (_, value) => {
    if (value?.name === "envoy.filters.http.ext_proc") found.push(value);
    return value;
  });
  assertEquals(found, [
    JSON.parse(
      JSON.stringify(
        extProcFilter({ cluster: "mcp_router", manyRouters: true }),
      ),
    ),
  ]);
  const env = Deno.env.get.bind(Deno.env);
  const envoy = await findEnvoy({
    cacheDir: defaultCacheDir(env),
    env,
    progress: (line) => console.error(line),
  });
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  try {
    await Deno.writeTextFile(file, text);
    const { success, stderr } = await new Deno.Command(envoy, {
      args: ["--mode", "validate", "-c", file, "--log-level", "warn"],
    }).output();
    assertEquals(
      { success, said: new TextDecoder().decode(stderr) },
      { success: true, said: "" },
    );
  } finally {
    await Deno.remove(file);
  }
});
