import { assertEquals } from "@std/assert";
import { executablesReport } from "./table.ts";

Deno.test("executablesReport() has a column for each program, and says what is not measured", () => {
  const ready = { median: 99.6, min: 90.2, max: 120 };
  const report = executablesReport({
    executables: [
      {
        program: "router",
        bytes: 95_300_000,
        ready,
        idle: 70 * 2 ** 20,
        busy: 90.4 * 2 ** 20,
      },
      {
        program: "controller",
        bytes: 92_750_000,
        ready,
        idle: 60 * 2 ** 20,
      },
    ],
    starts: 21,
    calls: 5_000,
    deno: "2.9.6",
    machine: {
      cpu: "A CPU",
      cores: 2,
      memory: 0,
      system: "linux 6",
      load: 0.25,
      versions: {},
    },
  });
  assertEquals(report.split("\n").slice(0, 6), [
    "|  | router | controller |",
    "| --- | --- | --- |",
    "| size | 95.3 MB | 92.8 MB |",
    "| from start to ready | 100 ms (90 to 120) | 100 ms (90 to 120) |",
    "| memory, idle | 70 MiB | 60 MiB |",
    "| memory after 5,000 calls | 90 MiB | – |",
  ]);
});
