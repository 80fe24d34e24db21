import { assert, assertEquals } from "@std/assert";
import { MemoryStore } from "./memory_store.ts";
import { openStore } from "./open_store.ts";
import { SqliteStore } from "./sqlite_store.ts";

Deno.test("openStore() opens the store that is named, and only sqlite writes", async () => {
  const stateDir = await Deno.makeTempDir();
  const files = () => [...Deno.readDirSync(stateDir)].length;
  try {
    const memory = await openStore({ kind: "memory", stateDir });
    assert(memory instanceof MemoryStore);
    assertEquals(files(), 0);
    const sqlite = await openStore({ kind: "sqlite", stateDir });
    assert(sqlite instanceof SqliteStore);
    await sqlite.close();
    assertEquals(files(), 1);
  } finally {
    await Deno.remove(stateDir, { recursive: true });
  }
});
