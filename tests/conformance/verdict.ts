/**
 * Judges what the conformance suite found, more strictly than it does: warnings
 * and skipped checks count as failures, scenarios outside the score count as
 * those in it, and every line of the expected failures has a reason and a check
 * that fails. Pure.
 *
 * @module
 */

/** A check as the suite writes it down. */
export interface Check {
  /** Its id; several checks of a scenario may share it. */
  readonly id: string;
  /** What it found. `INFO` is a note on the traffic, and no finding. */
  readonly status: "SUCCESS" | "FAILURE" | "WARNING" | "SKIPPED" | "INFO";
  /** What has to be true. */
  readonly description: string;
  /** What is wrong. */
  readonly errorMessage?: string;
  /** What was seen. */
  readonly details?: unknown;
}

/** A failure that is known. */
export interface ExpectedFailure {
  /** Name of the scenario. */
  readonly scenario: string;
  /** Id of the one check that may fail; left out, any may. */
  readonly check?: string;
  /** Why it fails. */
  readonly reason: string;
}

/** Something that is not as it should be. */
export interface Problem {
  /** Id of the check. */
  readonly check: string;
  /** What is wrong, for people. */
  readonly text: string;
}

/**
 * Reads a file of expected failures: lines `- SCENARIO # reason` or
 * `- SCENARIO:CHECK # reason` under `server:`, which is also the suite's own
 * form.
 *
 * @throws {Error} Naming the line that is of another form or lacks a reason.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseExpectedFailures } from "./verdict.ts";
 *
 * assertEquals(parseExpectedFailures("server:\n  - ping # asleep\n"), [
 *   { scenario: "ping", reason: "asleep" },
 * ]);
 * ```
 */
export function parseExpectedFailures(text: string): ExpectedFailure[] {
  const expected: ExpectedFailure[] = [];
  for (const [at, line] of text.split("\n").entries()) {
    if (/^\s*(#.*)?$/.test(line) || /^server:\s*(\[\])?\s*$/.test(line)) {
      continue;
    }
    const [, scenario, check, reason] =
      /^\s*- ([^\s:#]+)(?::([^\s:#]+))?(?:\s+#(.*))?\s*$/.exec(line) ?? [];
    if (scenario === undefined) {
      throw new Error(
        `Cannot read line ${at + 1} of the expected failures: ${line}`,
      );
    }
    if (reason === undefined || reason.trim() === "") {
      throw new Error(
        `Line ${at + 1} of the expected failures gives no reason: ${line}`,
      );
    }
    expected.push({
      scenario,
      ...check === undefined ? {} : { check },
      reason: reason.trim(),
    });
  }
  return expected;
}

/**
 * Says what is wrong with a scenario.
 *
 * @param checks What the suite found; undefined where it did not run it.
 * @param reference What it finds where all is well: a check that succeeds
 * there has to succeed, and may not just be missing.
 */
export function findProblems(
  checks: readonly Check[] | undefined,
  reference: readonly Check[],
): Problem[] {
  if (checks === undefined) {
    return [{ check: "", text: "the suite did not run it to its end" }];
  }
  const failed = checks
    .filter(({ status }) => status !== "SUCCESS" && status !== "INFO")
    .map((check) => ({ check: check.id, text: describe(check) }));
  const seen = new Set(
    checks.filter(({ status }) => status !== "INFO").map(({ id }) => id),
  );
  const missing = new Set(
    reference
      .filter(({ status, id }) => status === "SUCCESS" && !seen.has(id))
      .map(({ id }) => id),
  );
  return [
    ...failed,
    ...[...missing].map((check) => ({
      check,
      text: `MISSING ${check}: it was not checked`,
    })),
  ];
}

/** Problems that nobody expected, and expectations that did not come true. */
export interface Verdict {
  /** Problems without a line in the file. */
  readonly unexpected: readonly Problem[];
  /** Lines of the file without a problem. */
  readonly stale: readonly ExpectedFailure[];
}

/** Holds the problems of one scenario against the expected failures. */
export function judge(
  scenario: string,
  problems: readonly Problem[],
  expected: readonly ExpectedFailure[],
): Verdict {
  const ours = expected.filter((failure) => failure.scenario === scenario);
  const excuses = (failure: ExpectedFailure, problem: Problem) =>
    failure.check === undefined || failure.check === problem.check;
  return {
    unexpected: problems.filter((problem) =>
      !ours.some((failure) => excuses(failure, problem))
    ),
    stale: ours.filter((failure) =>
      !problems.some((problem) => excuses(failure, problem))
    ),
  };
}

function describe(check: Check): string {
  const lines = [`${check.status} ${check.id}: ${check.description}`];
  if (check.errorMessage !== undefined) lines.push(`  ${check.errorMessage}`);
  if (check.details !== undefined) {
    lines.push(`  ${JSON.stringify(check.details)}`);
  }
  return lines.join("\n");
}
