/**
 * How programs of others come into the cache, and nothing half built does.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { kept, NoToolsError, type ToolOptions } from "./_go_tools.ts";
import { findEnvoyGateway, findIstio } from "./_gateway_tools.ts";

async function emptyCache(
  stack: AsyncDisposableStack,
  progress: (line: string) => void = () => {},
): Promise<ToolOptions> {
  const cacheDir = await Deno.makeTempDir({ prefix: "go-tools-test-" });
  stack.defer(() => Deno.remove(cacheDir, { recursive: true }));
  return { cacheDir, env: () => undefined, progress };
}

async function folders({ cacheDir }: ToolOptions): Promise<readonly string[]> {
  return (await Array.fromAsync(Deno.readDir(cacheDir)))
    .filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
}

Deno.test("kept() makes a folder once for two that come at once, and tells the second", async () => {
  await using stack = new AsyncDisposableStack();
  const told = Promise.withResolvers<string>();
  const options = await emptyCache(stack, told.resolve);
  let made = 0;
  const make = () =>
    kept("tool-v1", options, async (dir) => {
      made++;
      await told.promise; // hence not before the other has come
      await Deno.writeTextFile(`${dir}/tool`, `${made}`);
    });
  const dirs = await Promise.all([make(), make()]);
  assertEquals(dirs, Array(2).fill(`${options.cacheDir}/tool-v1`));
  assertEquals(await Deno.readTextFile(`${dirs[0]}/tool`), "1");
  assertStringIncludes(await told.promise, "waiting for another process");
  assertEquals(await folders(options), ["tool-v1"]);
});

Deno.test("kept() leaves nothing of a folder that could not be filled, and tries again", async () => {
  await using stack = new AsyncDisposableStack();
  const options = await emptyCache(stack);
  await assertRejects(
    () =>
      kept("tool-v1", options, async (dir) => {
        await Deno.writeTextFile(`${dir}/tool`, "half");
        throw new Error("the disk is full");
      }),
    Error,
    "the disk is full",
  );
  assertEquals(await folders(options), []);
  await kept("tool-v1", options, () => Promise.resolve());
  assertEquals(await folders(options), ["tool-v1"]);
});

for (
  const { name, find } of [
    { name: "istiod", find: findIstio },
    { name: "envoy-gateway", find: findEnvoyGateway },
  ]
) {
  Deno.test(`without Go, ${name} is not to be had, and the error says what to do`, async () => {
    await using stack = new AsyncDisposableStack();
    const options = await emptyCache(stack);
    const error = await assertRejects(
      () => find({ ...options, go: `${options.cacheDir}/no-such-command` }),
      NoToolsError,
    );
    assertStringIncludes(error.message, `Cannot get ${name}: not built yet`);
    assertStringIncludes(error.message, "install Go 1.26 or newer");
    assertEquals(await folders(options), []);
  });
}
