/**
 * What a cell of the benchmark is, and what it may use.
 *
 * @module
 */

import type { CellResult } from "./results.ts";
import type { World } from "./world.ts";

/** What cells are run with. */
export interface Bench {
  /** Path of the Go programs. */
  readonly tools: string;
  /** Rounds of each cell. */
  readonly rounds: number;
  /** Milliseconds of one path in one round. */
  readonly roundMs: number;
  /** Only whether it runs is looked at: crowds and lists are small. */
  readonly smoke: boolean;
  /** Told what goes on. */
  readonly progress: (line: string) => void;
  /** What most cells measure, started by the first that does. */
  world(): Promise<World>;
}

/** What a cell finds out; the rest of its result is known before. */
export type Found = Pick<
  CellResult,
  "paths" | "figures" | "failures" | "firstFailure"
>;

/** One measurement. */
export interface Cell {
  /** Its name, in parts: `call/session/prefixed/300B/16`. */
  readonly name: string;
  /** What is measured, a sentence. */
  readonly about: string;
  /** Measures. */
  run(bench: Bench): Promise<Found>;
}

/** What rounds found out, but for the figures. */
export function foundIn(
  measured: Omit<Found, "figures">,
): Omit<Found, "figures"> {
  const { paths, failures, firstFailure } = measured;
  return {
    paths,
    failures,
    ...(firstFailure === undefined ? {} : { firstFailure }),
  };
}
