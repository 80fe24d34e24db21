/**
 * The controller as `deno task build controller` makes it: it does its work
 * with an executable's permissions, and can do nothing else.
 *
 * @module
 */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { buildPrograms } from "../../shared/local/build/build.ts";
import { SYSTEM_DIRECTORIES } from "../../shared/local/build/permissions.ts";
import { CACHE_DIR, pairIfAny } from "../executables/_pair.ts";
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

/** What stands for `/` in a container. */
interface Container {
  readonly executable: string;
  readonly serviceAccountDir: string;
}

const container = shared<Container>(async (stack) => {
  const root = await Deno.makeTempDir({ prefix: "controller-built-" });
  stack.defer(() => Deno.remove(root, { recursive: true }));
  const serviceAccountDir = `${root}/service-account`;
  if (pair !== undefined) {
    await buildPrograms({
      programs: ["controller"],
      out: root,
      directories: {
        ...SYSTEM_DIRECTORIES,
        serviceAccount: serviceAccountDir,
      },
      cacheDir: CACHE_DIR,
      runtime: { kind: "pair" },
      progress: () => {},
    });
  }
  return { executable: `${root}/controller`, serviceAccountDir };
});

const proves = controlPlane({
  manifests: [""],
  setUp: async (cluster) => {
    await cluster.admin.applyYaml(ENVOY_FILTERS);
    await cluster.createNamespace(TEAM);
  },
});

if (pair === undefined) {
  Deno.test({ name: "The executable", ignore: true, fn: () => {} });
} else {
  proves(
    "An executable of the controller, with the rights of its Role, configures a gateway and says what became of it",
    (cluster) =>
      withController(cluster, async (controller) => {
        await cluster.admin.apply(registration());
        await untilServers(cluster, ["team/weather weather_ Enabled"]);
        await untilCondition(cluster, registration(), "Ready", "True Ready");
        await controller.untilIdle();
        const metrics = await controller.ask("/metrics") ?? "";
        assertStringIncludes(metrics, "mcp_gateway_controller_leading 1");
        await controller.process.stop();
        // Nothing is asked of the machine that it was not built for.
        const { log } = controller.process;
        const refused = /NotCapable|Requires \w+ access/;
        assertEquals(log.filter((line) => refused.test(line)), []);
        assertEquals(log.filter((line) => !line.startsWith("{")), []);
      }, container()),
  );

  for (
    const { what, args, says } of [
      {
        what: "a service account elsewhere",
        args: ["--service-account-dir=/etc"],
        says: "/etc/namespace cannot be read (NotCapable)",
      },
      {
        what: "a kubeconfig",
        args: ["--kubeconfig=/etc/kubeconfig"],
        says: "deno run -A controller/main.ts --kubeconfig FILE",
      },
    ]
  ) {
    proves(
      `An executable of the controller does not read ${what}`,
      async () => {
        const { code, stdout, stderr } = await new Deno.Command(
          container().executable,
          {
            args,
            env: { KUBERNETES_SERVICE_HOST: "127.0.0.1" },
            signal: AbortSignal.timeout(60_000),
          },
        ).output();
        const said = [stdout, stderr].map((bytes) =>
          new TextDecoder().decode(bytes)
        ).join("");
        assertStringIncludes(said, says);
        assertEquals(code, 1);
      },
    );
  }
}
