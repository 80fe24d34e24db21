import { assert, assertEquals, assertRejects } from "@std/assert";
import { createLogger } from "../log.ts";
import { MemoryStore } from "./memory_store.ts";
import { openStore } from "./open_store.ts";
import { SqliteStore } from "./sqlite_store.ts";

const log = createLogger({
  program: "test",
  level: "info",
  format: "json",
  write: () => {},
});

Deno.test("openStore() opens the store that is named, and only sqlite writes", async () => {
  const stateDir = await Deno.makeTempDir();
  const files = () => [...Deno.readDirSync(stateDir)].length;
  try {
    const memory = await openStore({ kind: "memory", stateDir, log });
    assert(memory instanceof MemoryStore);
    assertEquals(files(), 0);
    const sqlite = await openStore({ kind: "sqlite", stateDir, log });
    assert(sqlite instanceof SqliteStore);
    await sqlite.close();
    assertEquals(files(), 2); // the database and its lock
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
});

Deno.test("openStore() says what a Redis store needs, and no password", async () => {
  const urlFile = await Deno.makeTempFile();
  const open = (options: { readonly urlFile?: string }) =>
    openStore({ kind: "redis", stateDir: ".", log, ...options });
  try {
    await assertRejects(() => open({}), Error, "GATEWAY_STORE_URL");
    const missing = `${urlFile}.not`;
    await assertRejects(() => open({ urlFile: missing }), Error, missing);
    await Deno.writeTextFile(urlFile, "redis://:hunter2@host/x");
    const { message } = await assertRejects(
      () => open({ urlFile }),
      Error,
      "want redis://",
    );
    assert(!message.includes("hunter2"));
  } finally {
    await Deno.remove(urlFile);
  }
});

Deno.test("openStore() says what is wrong with the certificate of a Redis store", async () => {
  const file = await Deno.makeTempFile();
  const open = (url: string, caFile: string) =>
    openStore({ kind: "redis", stateDir: ".", log, url, caFile });
  try {
    for (
      const { url, caFile, says } of [
        { url: "redis://host", caFile: file, says: "write rediss://" },
        { url: "rediss://host", caFile: file, says: "no PEM certificate" },
        { url: "rediss://host", caFile: `${file}.not`, says: "No such file" },
      ]
    ) await assertRejects(() => open(url, caFile), Error, says);
  } finally {
    await Deno.remove(file);
  }
});

for (const hasLocalKey of [true, false]) {
  Deno.test(
    `openStore() ${hasLocalKey ? "warns" : "does not warn"} of a key that ${
      hasLocalKey ? "no other machine has" : "was given"
    } where sessions are in Redis`,
    async () => {
      const logged: string[] = [];
      const store = await openStore({
        kind: "redis",
        stateDir: ".",
        url: "redis://127.0.0.1:1",
        hasLocalKey,
        log: createLogger({
          program: "test",
          level: "info",
          format: "json",
          write: (line) => logged.push(line),
        }),
      });
      await store.close();
      const warned = logged.some((line) => line.includes("--signing-key-file"));
      assertEquals(warned, hasLocalKey);
    },
  );
}
