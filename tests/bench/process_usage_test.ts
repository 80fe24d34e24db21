import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { cpuBetween, parseStat, usageOf } from "./process_usage.ts";

const fields = (name: string) =>
  `4711 (${name}) S 1 4711 4711 0 -1 4194560 1000 0 0 0 150 25 7 8 20 0 12 0 ` +
  "123456 1000000000 2560 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0\n";

for (
  const name of ["deno", "name with spaces", "a) R 1 2 (b", "(sd-pam)"]
) {
  Deno.test(`parseStat() of a process called ${name}`, () => {
    assertEquals(parseStat(fields(name)), {
      ticksUs: 1_750_000,
      rss: 2_560 * 4_096,
    });
  });
}

Deno.test("parseStat() of something else is an error", () => {
  assertThrows(() => parseStat("no such thing"), Error, "no such thing");
});

const used = (ticksUs: number, threads: Record<string, number>) => ({
  ticksUs,
  threads: new Map(Object.entries(threads)),
  rss: 0,
});

for (
  const { name, before, after, want } of [
    {
      name: "sums up its threads, new ones too",
      before: used(10_000, { "1": 5_000_000, "2": 1_000 }),
      after: used(10_000, { "1": 6_000_000, "2": 2_000, "3": 500_000 }),
      want: 1_501,
    },
    {
      name: "does not go backwards when a thread ends",
      before: used(0, { "1": 1_000, "2": 9_000_000 }),
      after: used(0, { "1": 3_000 }),
      want: 2,
    },
    {
      name: "counts ticks where the kernel tells nothing of threads",
      before: used(20_000, {}),
      after: used(50_000, {}),
      want: 30_000,
    },
  ]
) {
  Deno.test(`cpuBetween() ${name}`, () => {
    assertEquals(cpuBetween(before, after), want);
  });
}

Deno.test("usageOf() counts CPU time as it is used", async () => {
  const before = await usageOf(Deno.pid);
  let now = before;
  while (cpuBetween(before, now) < 50_000) {
    for (let i = 0; i < 1e6; i++) Math.sqrt(i);
    now = await usageOf(Deno.pid);
  }
  assert(now.rss > 10 * 1024 * 1024, `${now.rss} bytes`);
});

Deno.test("usageOf() a process that is gone is an error", async () => {
  await assertRejects(() => usageOf(2 ** 30), Error, "/proc/1073741824/stat");
});
