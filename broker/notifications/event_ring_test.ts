import { assertEquals } from "@std/assert";
import { EventRing } from "./event_ring.ts";

function ring(texts: readonly string[], limits = {}): EventRing {
  const ring = new EventRing({ ringEvents: 3, ringBytes: 100, ...limits });
  for (const text of texts) ring.push(new TextEncoder().encode(text));
  return ring;
}

function after(ring: EventRing, number: number): string | undefined {
  return ring.after(number)?.map((event) => new TextDecoder().decode(event))
    .join();
}

const CASES = [
  { name: "all behind the first", sent: "ab", number: 1, want: "b" },
  { name: "all from the beginning", sent: "ab", number: 0, want: "a,b" },
  { name: "none behind the newest", sent: "ab", number: 2, want: "" },
  { name: "none of an empty ring", sent: "", number: 0, want: "" },
  { name: "no number of the future", sent: "ab", number: 3, want: undefined },
  { name: "all that fit", sent: "abcd", number: 1, want: "b,c,d" },
  { name: "no gap", sent: "abcd", number: 0, want: undefined },
];
for (const { name, sent, number, want } of CASES) {
  Deno.test(`EventRing gives ${name}`, () => {
    assertEquals(after(ring([...sent]), number), want);
  });
}

Deno.test("EventRing keeps no more bytes than it may, the newest last", () => {
  const kept = ring(["aaaa", "bbbb", "cccc"], { ringBytes: 9 });
  assertEquals(kept.bytes, 8);
  assertEquals(after(kept, 0), undefined);
  assertEquals(after(kept, 1), "bbbb,cccc");
  kept.shrinkTo(5);
  assertEquals([kept.bytes, after(kept, 1), after(kept, 2)], [
    4,
    undefined,
    "cccc",
  ]);
});

Deno.test("EventRing keeps the newest event however large it is, unless told to shrink", () => {
  const kept = ring(["a", "b".repeat(10)], { ringBytes: 9 });
  assertEquals([kept.bytes, kept.last], [10, 2]);
  assertEquals(after(kept, 0), undefined);
  assertEquals(after(kept, 1), "b".repeat(10));
  kept.shrinkTo(9);
  assertEquals([kept.bytes, kept.last], [0, 2]);
  assertEquals(after(kept, 1), undefined);
  assertEquals(after(kept, 2), "");
  kept.push(new TextEncoder().encode("c"));
  assertEquals(after(kept, 2), "c");
});

Deno.test("EventRing numbers on when it is cleared", () => {
  const kept = ring(["a", "b"]);
  kept.clear();
  assertEquals([kept.bytes, after(kept, 1), after(kept, 2)], [
    0,
    undefined,
    "",
  ]);
  kept.push(new TextEncoder().encode("c"));
  assertEquals([kept.last, after(kept, 2)], [3, "c"]);
});
