import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { rawElements, rawMembers } from "./raw_json.ts";

Deno.test("rawMembers() finds each value as it was written", () => {
  const text =
    ' {"a" : 1e400 ,"b":{"c":"}\\""},"\\u0063":[1,[2]] ,\n"__proto__":null}';
  const { values, repeated } = rawMembers(text);
  const found = [...values].map((
    [key, s],
  ) => [key, text.slice(s.start, s.end)]);
  assertEquals(found, [
    ["a", "1e400"],
    ["b", '{"c":"}\\""}'],
    ["c", "[1,[2]]"],
    ["__proto__", "null"],
  ]);
  assertEquals(repeated, []);
});

Deno.test("rawMembers() names keys that stand more than once, however spelt", () => {
  assertEquals(rawMembers('{"name":1,"n\\u0061me":2}').repeated, ["name"]);
});

Deno.test("rawElements() and rawMembers() find nothing in other values", () => {
  for (const text of ["1", '"[1]"', "null", "{}", "[]"]) {
    assertEquals(rawElements(text), []);
    assertEquals(rawMembers(text).values.size, 0);
  }
});

Deno.test("rawElements() does not recurse", () => {
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  assertEquals(rawElements(deep), [{ start: 1, end: deep.length - 1 }]);
});

Deno.test("raw parts parse to what JSON.parse() sees, whatever the text", () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom(undefined, 1, "\t", "\r\n "),
      (value, indent) => {
        const text = JSON.stringify(value, null, indent as string);
        const parse = (s: { start: number; end: number }) =>
          JSON.parse(text.slice(s.start, s.end));
        if (Array.isArray(value)) {
          assertEquals(rawElements(text).map(parse), JSON.parse(text));
        } else if (typeof value === "object" && value !== null) {
          const members = [...rawMembers(text).values];
          assertEquals(
            members.map(([key, s]) => [key, parse(s)]),
            Object.entries(JSON.parse(text)),
          );
        }
      },
    ),
  );
});
