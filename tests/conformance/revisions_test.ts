/**
 * The official conformance suite where client and server are of different
 * revisions, the client's of the session era: the gateway negotiates with each by itself, and
 * nothing fails through it that does not fail without.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { proves } from "../support/proves.ts";
import { report, runSides, type SidesOptions } from "./_sides.ts";
import { AT_2025_03_26, AT_2025_06_18, AT_2025_11_25 } from "./scenarios.ts";

const MIXES: readonly SidesOptions[] = [
  { selection: AT_2025_06_18, client: "2025-06-18" },
  { selection: AT_2025_03_26, client: "2025-03-26" },
  { selection: AT_2025_06_18, client: "2025-06-18", server: "2025-06-18" },
  { selection: AT_2025_06_18, client: "2025-06-18", server: "2026-07-28" },
  { selection: AT_2025_03_26, client: "2025-03-26", server: "2026-07-28" },
  { selection: AT_2025_11_25, server: "2025-06-18" },
  { selection: AT_2025_11_25, server: "2025-03-26" },
  { selection: AT_2025_11_25, server: "2024-11-05" },
];

for (const mix of MIXES) {
  const { selection, client = "2025-11-25", server = "2025-11-25" } = mix;
  proves(
    `a client of ${client} and a server of ${server}: nothing fails only through the gateway`,
    async () => {
      const sides = await runSides(mix);
      assertEquals(sides.negotiated, { client, server });
      sides.assertRan(selection);
      const reports = selection.scenarios.flatMap((scenario) => {
        const known = sides.directProblems(scenario);
        const ours = sides.problems(scenario).filter(({ check }) =>
          !known.some((problem) => problem.check === check)
        );
        return ours.length === 0
          ? []
          : [`${scenario}: ${report(ours, sides.through, scenario)}`];
      });
      if (reports.length > 0) throw new Error(reports.join("\n\n"));
    },
  );
}
