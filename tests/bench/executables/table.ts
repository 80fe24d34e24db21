/**
 * Writes what was measured of the executables as a table of the documentation.
 * Pure.
 *
 * @module
 */

import type { Machine } from "../results.ts";
import type { Spread } from "../statistics.ts";

/** What was measured of one executable. */
export interface Measured {
  /** Its program. */
  readonly program: string;
  /** Its size in bytes. */
  readonly bytes: number;
  /** Milliseconds from its start until `/readyz` says that it is ready. */
  readonly ready: Spread;
  /** Memory that it has in RAM when it is ready and has nothing to do, bytes. */
  readonly idle: number;
  /** The same after many calls; undefined for one that takes none. */
  readonly busy?: number;
}

/** What was measured of all. */
export interface Measurements {
  /** Of each. */
  readonly executables: readonly Measured[];
  /** Starts of each. */
  readonly starts: number;
  /** Calls before the last look at memory. */
  readonly calls: number;
  /** Release of the Deno in them. */
  readonly deno: string;
  /** Where. */
  readonly machine: Machine;
}

/** Writes the table, and where and how it came to be. */
export function executablesReport(
  { executables, starts, calls, deno, machine }: Measurements,
): string {
  const row = (what: string, value: (one: Measured) => string) =>
    `| ${[what, ...executables.map(value)].join(" | ")} |`;
  const mib = (bytes: number | undefined) =>
    bytes === undefined ? "–" : `${Math.round(bytes / 2 ** 20)} MiB`;
  const ms = (value: number) => `${Math.round(value)}`;
  return [
    row("", ({ program }) => program),
    row("---", () => "---"),
    row("size", ({ bytes }) => `${(bytes / 1e6).toFixed(1)} MB`),
    row(
      "from start to ready",
      ({ ready }) =>
        `${ms(ready.median)} ms (${ms(ready.min)} to ${ms(ready.max)})`,
    ),
    row("memory, idle", ({ idle }) => mib(idle)),
    row(
      `memory after ${calls.toLocaleString("en")} calls`,
      ({ busy }) => mib(busy),
    ),
    "",
    `Median of ${starts} starts (the fastest to the slowest), each with its ` +
    "state there already, from the start of the process until `/readyz` says " +
    "200; resident memory, the file's own pages included. The calls went " +
    "through Envoy, 16 at a time. The controller has an API server with one " +
    `gateway. Executables with Deno ${deno}, on ${machine.cpu}, ` +
    `${machine.cores} cores, ${machine.system}, load ` +
    `${machine.load.toFixed(1)} before; ` +
    "`deno task bench:executables` measures them again.",
  ].join("\n");
}
