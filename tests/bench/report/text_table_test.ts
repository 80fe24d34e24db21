import { assertEquals } from "@std/assert";
import { spread } from "../statistics.ts";
import { callCell } from "./_testing.ts";
import { aligned, cellText, number } from "./text_table.ts";

for (
  const { value, want } of [
    { value: 12_345.6, want: "12346" },
    { value: 99.94, want: "99.9" },
    { value: 1.234, want: "1.23" },
    { value: -250.4, want: "-250" },
    { value: 0, want: "0.00" },
    { value: NaN, want: "–" },
    { value: Infinity, want: "–" },
  ]
) {
  Deno.test(`number() of ${value} is ${want}`, () => {
    assertEquals(number(value), want);
  });
}

Deno.test("aligned() sets the first column to the left, others to the right", () => {
  assertEquals(aligned([["a", "1", ""], ["bcd", "100", "x"]]), [
    "a      1",
    "bcd  100  x",
  ]);
});

Deno.test("cellText() shows paths, figures with their goals, and failures", () => {
  const text = cellText({
    ...callCell("call/x"),
    figures: [
      { what: "fast", unit: "", ...spread([1, 2]), target: { atLeast: 1 } },
      { what: "slow", unit: "ms", ...spread([300]), target: { atMost: 250 } },
    ],
    failures: 2,
    firstFailure: "HTTP 503",
  });
  assertEquals(text.split("\n").map((line) => line.trim()).slice(4), [
    "go             4000     250     500              –           150               110         –",
    "gateway        3000     333     667              –           160               140         –",
    "fast    1.50  [1.00..2.00]    >= 1      met",
    "slow  300 ms                <= 250  NOT MET",
    "FAILED: 2 requests, first: HTTP 503",
  ]);
});
