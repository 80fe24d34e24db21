/**
 * The official conformance suite in both eras, through Envoy, router and broker
 * to servers of either: the four cells of the matrix. Within one era every
 * scenario passes. Across eras what cannot pass stands in a file in
 * `expected_failures/`, with its reason.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Era } from "../../shared/mcp.ts";
import { RawClient } from "../support/raw_client.ts";
import { proves, shared } from "../support/proves.ts";
import { report, Sides, startGatewayTo } from "./_sides.ts";
import { startConformanceServer } from "./fixture_server.ts";
import { AT_2025_11_25, AT_2026_07_28, type Selection } from "./scenarios.ts";
import { startStatelessConformanceServer } from "./stateless_fixture_server.ts";
import { runSuite, type SuiteRun } from "./suite.ts";
import {
  type ExpectedFailure,
  findProblems,
  judge,
  parseExpectedFailures,
} from "./verdict.ts";

/** The newest revision of each era, and what the suite has for it. */
const SELECTIONS: Readonly<Record<Era, Selection>> = {
  session: AT_2025_11_25,
  stateless: AT_2026_07_28,
};
const ERAS: readonly Era[] = ["session", "stateless"];

/** What one of them began, another one goes on with. */
const REPLICAS = { routers: 2, brokers: 2 };

interface Cell {
  /** Era of the client, and so of the scenarios. */
  readonly client: Era;
  /** Era of the fixture, which speaks no other. */
  readonly server: Era;
  /** What cannot pass. */
  readonly expected: readonly ExpectedFailure[];
}

const CELLS: readonly Cell[] = [
  { client: "session", server: "session", expected: [] },
  { client: "stateless", server: "stateless", expected: [] },
  {
    client: "stateless",
    server: "session",
    expected: await expectedFailures("stateless_to_session"),
  },
  {
    client: "session",
    server: "stateless",
    expected: await expectedFailures("session_to_stateless"),
  },
];

const runs = shared(async (stack) => {
  const fixtures: Record<Era, { readonly url: string }> = {
    session: stack.use(startConformanceServer()),
    stateless: stack.use(startStatelessConformanceServer()),
  };
  const direct: Record<Era, SuiteRun> = {
    session: await runAt("session", fixtures.session.url),
    stateless: await runAt("stateless", fixtures.stateless.url),
  };
  const through = new Map<Cell, Sides>();
  for (const era of ERAS) {
    const cells = CELLS.filter(({ server }) => server === era);
    if (cells.length === 0) continue;
    await using gateway = await startGatewayTo(fixtures[era].url, REPLICAS);
    const { servers } = await gateway.status();
    const initialized = await new RawClient(gateway.url).initialize();
    for (const cell of cells) {
      const run = await runAt(cell.client, gateway.url);
      const negotiated = {
        client: initialized.message?.result?.protocolVersion,
        server: servers[0]?.revision,
      };
      through.set(cell, new Sides(negotiated, direct[cell.client], run));
    }
  }
  return { direct, through };
});

async function expectedFailures(file: string): Promise<ExpectedFailure[]> {
  const url = new URL(`expected_failures/${file}.yml`, import.meta.url);
  return parseExpectedFailures(await Deno.readTextFile(url));
}

function runAt(era: Era, url: string): Promise<SuiteRun> {
  return runSuite({ url, select: SELECTIONS[era].select });
}

for (const era of ERAS) {
  const { revision, scenarios } = SELECTIONS[era];
  for (const scenario of scenarios) {
    proves(`without the gateway at ${revision}: ${scenario}`, () => {
      const run = runs().direct[era];
      const problems = findProblems(run.scenarios.get(scenario), []);
      if (problems.length > 0) throw new Error(report(problems, run, scenario));
    });
  }
}

for (const cell of CELLS) {
  const { scenarios } = SELECTIONS[cell.client];
  const pair = `a client of ${SELECTIONS[cell.client].revision}, a server of ${
    SELECTIONS[cell.server].revision
  }`;
  const sides = (): Sides => runs().through.get(cell)!;

  proves(`${pair}: the suite runs every scenario that we know`, () => {
    sides().assertRan(SELECTIONS[cell.client]);
    assertEquals(sides().negotiated, {
      client: "2025-11-25",
      server: SELECTIONS[cell.server].revision,
    });
  });

  proves(`${pair}: every expected failure is one of a known scenario`, () => {
    assertEquals(
      cell.expected.filter(({ scenario }) => !scenarios.includes(scenario)),
      [],
    );
  });

  for (const scenario of scenarios) {
    proves(`${pair}: ${scenario}`, () => {
      const problems = sides().problems(scenario);
      const { unexpected, stale } = judge(scenario, problems, cell.expected);
      if (unexpected.length > 0) {
        throw new Error(report(unexpected, sides().through, scenario));
      }
      assertEquals(stale, [], "Expected failures that did not fail");
    });
  }
}
