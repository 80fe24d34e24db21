import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fairLevel } from "./fair_level.ts";

const CASES = [
  { sizes: [], total: 0, want: Infinity },
  { sizes: [1, 2, 3], total: 6, want: Infinity },
  { sizes: [1, 2, 3], total: 5, want: 2 },
  { sizes: [7, 7, 7], total: 20, want: 6 },
  { sizes: [100, 1, 1], total: 12, want: 10 },
  { sizes: [1], total: 0, want: 0 },
];
for (const { sizes, total, want } of CASES) {
  Deno.test(`fairLevel() shares ${total} out among ${JSON.stringify(sizes)}`, () => {
    assertEquals(fairLevel(sizes, total), want);
  });
}

Deno.test("fairLevel() makes everything fit, and wastes next to nothing", () => {
  fc.assert(fc.property(
    fc.array(fc.nat(1_000), { maxLength: 50 }),
    fc.nat(10_000),
    (sizes, total) => {
      const level = fairLevel(sizes, total);
      const kept = sizes.reduce((sum, size) => sum + Math.min(size, level), 0);
      assert(kept <= total);
      if (level !== Infinity) assert(kept > total - sizes.length);
    },
  ));
});
