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

Deno.test("Lru drops as many as it takes to keep to what entries weigh", () => {
  const lru = new Lru<string, number>(10, (key, value) => key.length + value);
  lru.set("a", 2);
  lru.set("b", 2);
  lru.set("c", 2);
  assertEquals(lru.size, 3);
  lru.set("b", 3); // now 3 + 3 + 4
  assertEquals(lru.size, 3);
  lru.set("d", 5);
  assertEquals([lru.get("a"), lru.get("c")], [undefined, undefined]);
  assertEquals([lru.get("b"), lru.get("d")], [3, 5]);
  lru.delete("d");
  lru.set("e", 5);
  assertEquals([lru.get("b"), lru.get("e")], [3, 5]);
  lru.set("f", 100);
  assertEquals(lru.size, 0);
});
