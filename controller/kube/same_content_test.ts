import { assertEquals, assertNotEquals } from "@std/assert";
import { contentHash, covers, isEqual } from "./same_content.ts";

const CASES: { live: unknown; wanted: unknown; want: boolean }[] = [
  { live: { a: 1, b: 2 }, wanted: { a: 1 }, want: true },
  { live: { a: 1 }, wanted: { a: 1, b: 2 }, want: false },
  {
    live: { a: { b: [{ c: 1, d: 2 }] } },
    wanted: { a: { b: [{ c: 1 }] } },
    want: true,
  },
  { live: { a: [1, 2] }, wanted: { a: [1] }, want: false },
  { live: { a: [1] }, wanted: { a: { 0: 1 } }, want: false },
  { live: null, wanted: {}, want: false },
  { live: "1", wanted: 1, want: false },
  { live: {}, wanted: { a: undefined }, want: true },
  { live: {}, wanted: { constructor: {} }, want: false },
  { live: { a: null }, wanted: { a: null }, want: true },
];
for (const { live, wanted, want } of CASES) {
  const text = `${JSON.stringify(live)} ${JSON.stringify(wanted)}`;
  Deno.test(`covers(${text}) is ${want}`, () => {
    assertEquals(covers(live, wanted), want);
  });
}

Deno.test("isEqual() goes both ways", () => {
  assertEquals(isEqual({ a: 1, b: [2] }, { b: [2], a: 1 }), true);
  assertEquals(isEqual({ a: 1, b: 2 }, { a: 1 }), false);
  assertEquals(isEqual({ a: 1 }, { a: 1, b: 2 }), false);
});

Deno.test("contentHash() does not depend on the order of members, but on that of lists", () => {
  assertEquals(
    contentHash({ a: 1, b: { c: [1, 2], d: 3 } }),
    contentHash({ b: { d: 3, c: [1, 2] }, a: 1 }),
  );
  assertNotEquals(contentHash({ a: [1, 2] }), contentHash({ a: [2, 1] }));
});
