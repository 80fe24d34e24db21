import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  afterFailure,
  backoff,
  type Health,
  HEALTHY,
  isDropped,
  PATIENCE,
} from "./health.ts";

function failing(at: readonly number[]): Health {
  return at.reduce(afterFailure, HEALTHY);
}

const GRACE = [
  { name: "one failure", at: [1_000], now: 900_000, dropped: false },
  { name: "three in a moment", at: [1, 2, 3], now: 4, dropped: false },
  { name: "three in a minute", at: [1, 2, 60_001], now: 60_001, dropped: true },
  {
    name: "two in an hour",
    at: [1, 3_600_000],
    now: 3_600_000,
    dropped: false,
  },
];
for (const { name, at, now, dropped } of GRACE) {
  Deno.test(`isDropped() after ${name} is ${dropped}`, () => {
    assertEquals(isDropped(failing(at), now, PATIENCE), dropped);
  });
}

Deno.test("backoff() doubles to its cap, and is never nothing", () => {
  const waits = [1, 2, 3, 4, 5, 6, 7, 100].map((failures) =>
    backoff({ failures, since: 0 }, 1, PATIENCE)
  );
  assertEquals(waits, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
  fc.assert(fc.property(
    fc.nat(),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    (failures, random) => {
      const wait = backoff({ failures, since: 0 }, random, PATIENCE);
      return wait >= PATIENCE.backoffMs / 2 && wait <= PATIENCE.maxBackoffMs;
    },
  ));
});
