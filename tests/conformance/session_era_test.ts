/**
 * The official conformance suite at 2025-11-25, through Envoy, router and
 * broker to a server of ours with the suite's names.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { proves, shared } from "../support/proves.ts";
import { report, runSides } from "./_sides.ts";
import { AT_2025_11_25 } from "./scenarios.ts";
import { judge, parseExpectedFailures } from "./verdict.ts";

const EXPECTED_FAILURES = parseExpectedFailures(
  await Deno.readTextFile(new URL("expected_failures.yml", import.meta.url)),
);

const sides = shared(() => runSides({ selection: AT_2025_11_25 }));

proves("at 2025-11-25 the suite runs every scenario that we know", () => {
  sides().assertRan(AT_2025_11_25);
  assertEquals(sides().negotiated, {
    client: "2025-11-25",
    server: "2025-11-25",
  });
});

proves("every expected failure is one of a scenario of 2025-11-25", () => {
  assertEquals(
    EXPECTED_FAILURES.filter(({ scenario }) =>
      !AT_2025_11_25.scenarios.includes(scenario)
    ),
    [],
  );
});

for (const scenario of AT_2025_11_25.scenarios) {
  proves(`through the gateway at 2025-11-25: ${scenario}`, () => {
    const direct = sides().directProblems(scenario);
    if (direct.length > 0) {
      throw new Error(
        `Fails without the gateway:\n${
          report(direct, sides().direct, scenario)
        }`,
      );
    }
    const { unexpected, stale } = judge(
      scenario,
      sides().problems(scenario),
      EXPECTED_FAILURES,
    );
    if (unexpected.length > 0) {
      throw new Error(report(unexpected, sides().through, scenario));
    }
    assertEquals(stale, [], "Expected failures that did not fail");
  });
}
