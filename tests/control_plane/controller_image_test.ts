/**
 * The controller as its image runs it: in a root that holds what the base holds
 * and one executable, read-only, as a user without rights, with the service
 * account where and as a kubelet puts it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { buildPrograms } from "../../shared/local/build/build.ts";
import { SYSTEM_DIRECTORIES } from "../../shared/local/build/permissions.ts";
import { CACHE_DIR, pairIfAny } from "../executables/_pair.ts";
import {
  Images,
  missingForContainers,
} from "../executables/container/container.ts";
import { changesOf, treeOf } from "../executables/container/tree.ts";
import { shared } from "../support/proves.ts";
import {
  ENVOY_FILTERS,
  registration,
  TEAM,
  untilCondition,
  untilServers,
  withController,
} from "./_controller.ts";
import { controlPlane } from "./_world.ts";

const pair = await pairIfAny();
const missing = await missingForContainers();

const world = shared(async (stack) => {
  const folder = await Deno.makeTempDir({ prefix: "controller-image-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  await buildPrograms({
    programs: ["controller"],
    out: `${folder}/bin`,
    directories: SYSTEM_DIRECTORIES,
    cacheDir: CACHE_DIR,
    runtime: { kind: "pair" },
    progress: () => {},
  });
  const images = await Images.make(`${folder}/images`, `${folder}/bin`, [
    "controller",
  ]);
  return { images, serviceAccountDir: await projectedVolume(folder) };
});

/** Files behind two links, as in a volume that a kubelet can replace at once. */
async function projectedVolume(folder: string): Promise<string> {
  const dir = `${folder}/serviceaccount`;
  await Deno.mkdir(`${dir}/..2026_07_01`, { recursive: true });
  await Deno.symlink("..2026_07_01", `${dir}/..data`);
  for (const name of ["token", "namespace", "ca.crt"]) {
    await Deno.writeTextFile(`${dir}/..data/${name}`, "");
    await Deno.symlink(`..data/${name}`, `${dir}/${name}`);
  }
  return dir;
}

const proves = controlPlane({
  manifests: [""],
  setUp: async (cluster) => {
    await cluster.admin.applyYaml(ENVOY_FILTERS);
    await cluster.createNamespace(TEAM);
  },
});

if (pair === undefined || missing !== undefined) {
  Deno.test({
    name: `The controller's image: ${missing ?? "no compiler"}`,
    ignore: true,
    fn: () => {},
  });
} else {
  proves(
    "The controller's image configures a gateway and says what became of it, with a read-only root, and stops when told",
    async (cluster) => {
      const { images, serviceAccountDir } = world();
      const launch = (
        args: readonly string[],
        env: Readonly<Record<string, string>>,
      ) =>
        images.command({
          program: "controller",
          args,
          env,
          readOnly: true,
          mounts: [{
            source: serviceAccountDir,
            target: SYSTEM_DIRECTORIES.serviceAccount,
          }],
        });
      await launch([], {}); // makes the places of mounts
      const before = await treeOf(images.of("controller").root);
      await withController(cluster, async (controller) => {
        await cluster.admin.apply(registration());
        await untilServers(cluster, ["team/weather weather_ Enabled"]);
        await untilCondition(cluster, registration(), "Ready", "True Ready");
        await controller.untilIdle();
        await controller.process.stop();
        assertEquals((await controller.process.ended).code, 0);
        const { log } = controller.process;
        assertEquals(log.filter((line) => !line.startsWith("{")), []);
        const refused = /NotCapable|Requires \w+ access|EROFS|Read-only/;
        assertEquals(log.filter((line) => refused.test(line)), []);
      }, { launch, serviceAccountDir });
      const after = await treeOf(images.of("controller").root);
      assertEquals(changesOf(before, after), []);
    },
  );
}
