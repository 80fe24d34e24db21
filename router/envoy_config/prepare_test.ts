import { assert, assertEquals, assertRejects } from "@std/assert";
import { config, options, server } from "../../shared/envoy/_testing.ts";
import { SilentAdminError } from "../../shared/envoy/admin.ts";
import { type EnvoyPresence, prepareUpdate } from "./prepare.ts";
import type { Settings } from "./settings.ts";

const GIVEN = { config: config(server("one")), text: "servers: []" };

/** Prepares updates into a folder of their own. */
async function inFolder(
  test: (
    prepare: (admin: Settings["admin"]) => ReturnType<typeof prepareUpdate>,
  ) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test((admin) =>
      prepareUpdate(GIVEN, {
        out: `${dir}/envoy`,
        publish: undefined,
        settings: { envoy: options(), admin },
        secrets: {
          secretsDir: dir,
          readTextFile: Deno.readTextFile,
          env: () => undefined,
        },
      })
    );
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const loopback = ({ hostname, port }: Deno.NetAddr): Settings["admin"] => ({
  kind: "tcp",
  host: hostname,
  port,
});

Deno.test("prepareUpdate() tells once more what was told while Envoy was down", async () => {
  await inFolder(async (prepare) => {
    const envoy = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response(""),
    );
    const admin = loopback(envoy.addr);
    const up = [await prepare(admin), await prepare(admin)];
    await envoy.shutdown();
    const down = await prepare(admin);
    assertEquals(up.map(({ envoy }) => envoy), ["running", "running"]);
    assertEquals(down.envoy, "not running");
    assertEquals(up[0]?.key, up[1]?.key);
    assert(up[0]?.key !== down.key);
  });
});

Deno.test("prepareUpdate() rejects where the admin interface does not answer", async () => {
  await inFolder(async (prepare) => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const accepted = listener.accept();
    await assertRejects(
      () => prepare(loopback(listener.addr)),
      SilentAdminError,
    );
    (await accepted).close();
  });
});

Deno.test("prepareUpdate() wants an Envoy restarted that cannot be asked where its bootstrap changes, not where it is the first", async () => {
  await inFolder(async (prepare) => {
    const presences: EnvoyPresence[] = [];
    const restarts: boolean[] = [];
    for (const listen of [undefined, undefined]) {
      const { envoy, update } = await prepare(listen);
      presences.push(envoy);
      restarts.push(await update.files.bootstrap());
    }
    assertEquals(presences, ["not asked", "not asked"]);
    assertEquals(restarts, [false, false]);
    const admin = { kind: "tcp", host: "127.0.0.1", port: 1 } as const;
    const { update } = await prepare(admin);
    assertEquals(await update.files.bootstrap(), false); // It is not running.
    const back = await prepare(undefined);
    assertEquals(await back.update.files.bootstrap(), true);
  });
});
