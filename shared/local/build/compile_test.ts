import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { BuildError } from "./build_error.ts";
import { compileFailed, tellVersion } from "./compile.ts";

const NO_DOWNLOAD = `error: Writing deno compile executable

Caused by:
    0: Setting up base binary.
    1: error sending request for url (https://site.example/v1/denort.zip): client error (Connect)`;

Deno.test("compileFailed() names the download that failed, DENORT_BIN and --pair", () => {
  const { message } = compileFailed("router", NO_DOWNLOAD);
  for (
    const part of ["https://site.example/v1/denort.zip", "DENORT_BIN", "--pair"]
  ) assertStringIncludes(message, part);
});

Deno.test("compileFailed() hands on whatever else Deno says", () => {
  const { message } = compileFailed("router", "error: Module not found");
  assertStringIncludes(message, "error: Module not found");
  assertEquals(message.includes("--pair"), false);
});

for (
  const { name, script, says } of [
    {
      name: "starts another program",
      script: "echo deno 2.9.6",
      says: "deno 2.9.6",
    },
    {
      name: "fails",
      script: "echo Could not find standalone binary section >&2; exit 1",
      says: "Could not find standalone binary section",
    },
  ]
) {
  Deno.test(`tellVersion() refuses an executable that ${name}`, async () => {
    await withScript(script, async (path) => {
      const error = await assertRejects(
        () => tellVersion("router", path),
        BuildError,
        "same release",
      );
      assertStringIncludes(error.message, says);
    });
  });
}

Deno.test("tellVersion() returns what the program says", async () => {
  await withScript("echo router 0.1.0", async (path) => {
    assertEquals(await tellVersion("router", path), "router 0.1.0");
  });
});

async function withScript(
  script: string,
  test: (path: string) => Promise<void>,
): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    const path = `${dir}/program`;
    await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    await test(path);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}
