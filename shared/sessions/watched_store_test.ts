import { assertEquals, assertRejects } from "@std/assert";
import { SILENT } from "../_testing.ts";
import { MemoryStore } from "./memory_store.ts";
import { watchedStore } from "./watched_store.ts";

Deno.test("watchedStore() tells the beginning and the end of an outage, once", async () => {
  const told: string[] = [];
  const memory = new MemoryStore();
  let down = false;
  const count = memory.count.bind(memory);
  memory.count = () => down ? Promise.reject(new Error("disk full")) : count();
  const store = watchedStore(memory, {
    ...SILENT,
    info: (message) => told.push(message),
    error: (message) => told.push(message),
  });
  assertEquals(await store.count(), 0);
  down = true;
  await assertRejects(() => store.count(), Error, "disk full");
  await assertRejects(() => store.count(), Error, "disk full");
  down = false;
  assertEquals(await store.count(), 0);
  assertEquals(store.revision(), memory.revision());
  assertEquals(told, ["session store failed", "session store back"]);
});
