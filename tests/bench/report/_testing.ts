/**
 * A result that tests of reports start from.
 *
 * @module
 */

import type { BenchResult, CellResult, PathResult } from "../results.ts";
import { spread } from "../statistics.ts";

/** A path that answered so many requests a second. */
export function path(rate: number, cpu: Record<string, number>): PathResult {
  return {
    rate: spread([rate]),
    p50: spread([1e6 / rate]),
    p99: spread([2e6 / rate]),
    cpu: Object.fromEntries(
      Object.entries(cpu).map(([name, us]) => [name, spread([us])]),
    ),
    rss: {},
    requests: rate,
  };
}

/** Calls on all four paths. */
export function callCell(cell: string): CellResult {
  return {
    cell,
    about: "calls",
    paths: {
      direct: path(20_000, { server: 20 }),
      envoy: path(10_000, { envoy: 60 }),
      go: path(4_000, { envoy: 150, processor: 110 }),
      gateway: path(3_000, { envoy: 160, processor: 140 }),
    },
    figures: [{
      what: "calls per second, gateway / go",
      unit: "",
      ...spread([0.7, 0.75, 0.8]),
      target: { atLeast: 0.75 },
    }],
    failures: 0,
    seconds: 12,
  };
}

/** A run of these cells. */
export function result(...cells: readonly CellResult[]): BenchResult {
  return {
    at: "2026-12-24T18:00:00.000Z",
    command: "deno task bench",
    machine: {
      cpu: "Some CPU",
      cores: 2,
      memory: 8 * 2 ** 30,
      system: "linux 6.1",
      load: 0.12,
      versions: { Deno: "2.9.6" },
    },
    rounds: 3,
    roundMs: 800,
    cells,
  };
}
