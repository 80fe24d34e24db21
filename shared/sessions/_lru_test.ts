import { assertEquals } from "@std/assert";
import { Lru } from "./_lru.ts";

Deno.test("Lru drops the entry that was used longest ago", () => {
  const lru = new Lru<string, number>(2);
  lru.set("a", 1);
  lru.set("b", 2);
  assertEquals(lru.get("a"), 1);
  lru.set("c", 3);
  assertEquals([lru.get("a"), lru.get("b"), lru.get("c")], [1, undefined, 3]);
  assertEquals(lru.size, 2);
});

Deno.test("Lru replaces an entry without dropping another", () => {
  const lru = new Lru<string, number>(2);
  lru.set("a", 1);
  lru.set("b", 2);
  lru.set("b", 3);
  assertEquals([lru.get("a"), lru.get("b")], [1, 3]);
  lru.delete("a");
  assertEquals([lru.get("a"), lru.size], [undefined, 1]);
});
