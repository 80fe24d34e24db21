import { assertEquals, assertThrows } from "@std/assert";
import { pairedRatio, quantile, rotated, spread } from "./statistics.ts";

for (
  const { name, values, want } of [
    { name: "one", values: [4], want: { median: 4, min: 4, max: 4 } },
    {
      name: "an odd number, whatever their order",
      values: [10, 2, 9],
      want: { median: 9, min: 2, max: 10 },
    },
    {
      name: "an even number: the mean of the two in the middle",
      values: [1, 100, 2, 4],
      want: { median: 3, min: 1, max: 100 },
    },
  ]
) {
  Deno.test(`spread() of ${name}`, () => {
    assertEquals(spread(values), want);
  });
}

Deno.test("spread() of nothing is an error", () => {
  assertThrows(() => spread([]), RangeError, "no values");
});

Deno.test("pairedRatio() divides round by round, not median by median", () => {
  // The second round was slow for both.
  assertEquals(pairedRatio([100, 10, 90], [200, 20, 90]), {
    median: 0.5,
    min: 0.5,
    max: 1,
  });
  assertThrows(() => pairedRatio([1], [1, 2]), RangeError, "1 rounds with 2");
});

Deno.test("rotated() lets each begin in turn", () => {
  const items = ["a", "b", "c"];
  assertEquals(
    [0, 1, 2, 3].map((round) => rotated(items, round).join("")),
    ["abc", "bca", "cab", "abc"],
  );
  assertEquals(rotated([], 3), []);
});

Deno.test("quantile() of sorted values", () => {
  const sorted = Array.from({ length: 100 }, (_, i) => i + 1);
  assertEquals([0, 0.5, 0.99, 1].map((share) => quantile(sorted, share)), [
    1,
    51,
    100,
    100,
  ]);
  assertEquals(quantile([], 0.5), NaN);
});
