import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { defaultCacheDir, findEnvoy, NoEnvoyError } from "./envoy_binary.ts";

/** A folder with executables that are shell scripts. */
class Sandbox implements Disposable {
  readonly dir = Deno.makeTempDirSync();

  script(path: string, text: string): string {
    const full = `${this.dir}/${path}`;
    Deno.mkdirSync(full.replace(/\/[^/]*$/, ""), { recursive: true });
    Deno.writeTextFileSync(full, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return full;
  }

  find(variables: Record<string, string>): Promise<string> {
    return findEnvoy({
      cacheDir: `${this.dir}/cache`,
      env: (name) => variables[name],
      progress: () => {},
    });
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.dir, { recursive: true });
  }
}

const GOOD = 'echo "envoy  version: abc/1.40.0/Clean/RELEASE/BoringSSL"';

Deno.test("findEnvoy() takes ENVOY before the search path", async () => {
  using box = new Sandbox();
  const given = box.script("given/my-envoy", GOOD);
  box.script("path/envoy", GOOD);
  assertEquals(
    await box.find({ ENVOY: given, PATH: `${box.dir}/path` }),
    given,
  );
});

Deno.test("findEnvoy() takes the search path before the cache, passing over what is no Envoy", async () => {
  using box = new Sandbox();
  box.script("one/envoy", "echo a tool of the same name");
  const second = box.script("two/envoy", GOOD);
  box.script("cache/envoy-1.40.0/envoy/_bin/envoy", GOOD);
  assertEquals(
    await box.find({ PATH: `/no/such:${box.dir}/one:${box.dir}/two` }),
    second,
  );
});

Deno.test("findEnvoy() takes the one in the cache", async () => {
  using box = new Sandbox();
  const cached = box.script("cache/envoy-1.40.0/envoy/_bin/envoy", GOOD);
  assertEquals(await box.find({ PATH: "" }), cached);
});

for (
  const { name, script, says } of [
    { name: "is not there", script: undefined, says: "no executable" },
    { name: "is something else", script: "echo hi", says: "as Envoy does: hi" },
  ]
) {
  Deno.test(`findEnvoy() says so when ENVOY ${name}, and what to do`, async () => {
    using box = new Sandbox();
    const path = script === undefined
      ? `${box.dir}/none`
      : box.script("none", script);
    const error = await assertRejects(
      () => box.find({ ENVOY: path }),
      NoEnvoyError,
    );
    assertStringIncludes(error.message, `ENVOY is ${path}`);
    assertStringIncludes(error.message, says);
    assertStringIncludes(error.message, "Remedy: correct ENVOY");
  });
}

Deno.test("findEnvoy() says so when the cached one is broken, and what to do", async () => {
  using box = new Sandbox();
  box.script("cache/envoy-1.40.0/envoy/_bin/envoy", "exit 1");
  await assertRejects(
    () => box.find({ PATH: "" }),
    NoEnvoyError,
    `Remedy: remove ${box.dir}/cache/envoy-1.40.0`,
  );
});

for (
  const { variables, want } of [
    { variables: { XDG_CACHE_HOME: "/x", HOME: "/h" }, want: "/x/mcp-gateway" },
    { variables: { HOME: "/h" }, want: "/h/.cache/mcp-gateway" },
  ]
) {
  Deno.test(`defaultCacheDir() is ${want}`, () => {
    const given: Record<string, string> = variables;
    assertEquals(defaultCacheDir((name) => given[name]), want);
  });
}
