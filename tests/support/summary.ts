/**
 * Reads the counts out of what `deno test` prints.
 *
 * @module
 */

/** Numbers of tests. */
export interface TestCount {
  /** Those that passed. */
  readonly passed: number;
  /** Those that failed. */
  readonly failed: number;
}

/** The count of a run without tests. */
export const NO_TESTS: TestCount = { passed: 0, failed: 0 };

const SUMMARY =
  /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed\b/;
// deno-lint-ignore no-control-regex
const COLOUR = /\x1b\[[0-9;]*m/g;

/**
 * Adds up the summary lines in a text, coloured or not.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { countTests } from "./summary.ts";
 *
 * assertEquals(
 *   countTests("ok | 12 passed (3 steps) | 0 failed (2s)\n"),
 *   { passed: 12, failed: 0 },
 * );
 * ```
 */
export function countTests(output: string): TestCount {
  let { passed, failed } = NO_TESTS;
  for (const line of output.replaceAll(COLOUR, "").split("\n")) {
    const [, passedHere, failedHere] = SUMMARY.exec(line.trim()) ?? [];
    passed += Number(passedHere ?? 0);
    failed += Number(failedHere ?? 0);
  }
  return { passed, failed };
}
