import { assertEquals } from "@std/assert";
import { isObject, member } from "./parsed.ts";

Deno.test("isObject() tells objects from all else that JSON has", () => {
  assertEquals(isObject({}), true);
  for (const value of [null, [], "{}", 1, true, undefined]) {
    assertEquals(isObject(value), false);
  }
});

Deno.test("member() reads what was written, not what prototypes have", () => {
  const object = JSON.parse('{"a":1,"__proto__":2}');
  assertEquals(member(object, "a"), 1);
  assertEquals(member(object, "__proto__"), 2);
  assertEquals(member(object, "constructor"), undefined);
});
