/**
 * How kube-apiserver and etcd are found where they need not be built.
 *
 * @module
 */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { NoToolsError } from "./_go_tools.ts";
import { findKubeTools } from "./_kube_tools.ts";

/** A cache that holds the Gateway API's definitions already. */
async function cacheDir(stack: AsyncDisposableStack): Promise<string> {
  const dir = await Deno.makeTempDir({ prefix: "kube-tools-test-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const goMod = await Deno.readTextFile(
    new URL("kube_tools/go.mod", import.meta.url),
  );
  const [, version] = /sigs\.k8s\.io\/gateway-api (v\S+)/.exec(goMod) ?? [];
  await Deno.mkdir(`${dir}/gateway-api-${version}`);
  return dir;
}

const silent = () => {};

Deno.test("findKubeTools() takes the executables of KUBE_BIN_DIR", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await cacheDir(stack);
  await Deno.writeTextFile(`${dir}/etcd`, "");
  await Deno.writeTextFile(`${dir}/kube-apiserver`, "");
  const { etcd, apiServer } = await findKubeTools({
    cacheDir: dir,
    env: (name) => name === "KUBE_BIN_DIR" ? dir : undefined,
    progress: silent,
  });
  assertEquals([etcd, apiServer], [`${dir}/etcd`, `${dir}/kube-apiserver`]);
});

Deno.test("findKubeTools() says what KUBE_BIN_DIR lacks", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await cacheDir(stack);
  await Deno.writeTextFile(`${dir}/kube-apiserver`, "");
  const error = await assertRejects(
    () =>
      findKubeTools({
        cacheDir: dir,
        env: (name) => name === "KUBE_BIN_DIR" ? dir : undefined,
        progress: silent,
      }),
    NoToolsError,
  );
  assertStringIncludes(error.message, "there is no etcd in it");
});

Deno.test("findKubeTools() leaves nothing half built behind", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await cacheDir(stack);
  const error = await assertRejects(
    () =>
      findKubeTools({
        cacheDir: dir,
        env: () => undefined,
        progress: silent,
        go: `${dir}/no-such-command`,
      }),
    NoToolsError,
  );
  assertStringIncludes(error.message, "there is no go command");
  assertStringIncludes(error.message, "set KUBE_BIN_DIR to a folder");
  const left = await Array.fromAsync(Deno.readDir(dir), ({ name }) => name);
  assertEquals(left.filter((name) => name.includes("partial")), []);
});
