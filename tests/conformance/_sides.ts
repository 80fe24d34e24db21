/**
 * Runs the suite twice: directly against a fixture, and through a gateway that
 * has a fixture as its only server, the same one or its twin of the other era.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { isStatelessRevision } from "../../shared/mcp.ts";
import {
  startGateway,
  type TestGateway,
  type TestGatewayOptions,
} from "../support/gateway.ts";
import { RawClient } from "../support/raw_client.ts";
import { startConformanceServer } from "./fixture_server.ts";
import { startOlderPeer } from "./older_peer.ts";
import type { Selection } from "./scenarios.ts";
import { startStatelessConformanceServer } from "./stateless_fixture_server.ts";
import { outputOf, runSuite, type SuiteRun } from "./suite.ts";
import { type Check, findProblems, type Problem } from "./verdict.ts";

/** What to run, and with whom. */
export interface SidesOptions {
  /** Scenarios. */
  readonly selection: Selection;
  /** Revision of the client. Default: the newest that the suite speaks. */
  readonly client?: string;
  /**
   * Revision of the server. Default: the newest that the fixture speaks. Where
   * that is of the stateless era, the gateway has the fixture's twin.
   */
  readonly server?: string;
}

/**
 * Checks that only note something, and rightly: the broker answers lists with
 * JSON, so there are no event streams of theirs to be checked.
 */
const NOTED: readonly string[] = ["server-sse-streams-functional"];

/** Revisions that the gateway has negotiated. */
export interface Negotiated {
  /** With clients. */
  readonly client: unknown;
  /** With the server. */
  readonly server: string | undefined;
}

/** Both runs. */
export class Sides {
  /** What the gateway had negotiated. */
  readonly negotiated: Negotiated;
  /** The run against the server. */
  readonly direct: SuiteRun;
  /** The run against the gateway. */
  readonly through: SuiteRun;

  /** Takes both. */
  constructor(negotiated: Negotiated, direct: SuiteRun, through: SuiteRun) {
    this.negotiated = negotiated;
    this.direct = direct;
    this.through = through;
  }

  /** What is wrong with a scenario without the gateway. */
  directProblems(scenario: string): Problem[] {
    return findProblems(this.direct.scenarios.get(scenario), []);
  }

  /** What is wrong with a scenario through the gateway. */
  problems(scenario: string): Problem[] {
    const reference: readonly Check[] = this.direct.scenarios.get(scenario) ??
      [];
    return findProblems(
      this.through.scenarios.get(scenario),
      reference.filter(({ id }) => !NOTED.includes(id)),
    );
  }

  /** Throws unless the suite ran the scenarios of this selection. */
  assertRan({ scenarios }: Selection): void {
    for (const run of [this.direct, this.through]) {
      assertEquals(
        [...run.scenarios.keys()].sort(),
        scenarios.toSorted(),
        run.output,
      );
    }
  }
}

/** Runs both sides, one after the other. */
export async function runSides(options: SidesOptions): Promise<Sides> {
  await using stack = new AsyncDisposableStack();
  const older = (url: string, revision: string | undefined) =>
    revision === undefined ? url : stack.use(startOlderPeer(url, revision)).url;
  const fixture = stack.use(startConformanceServer());
  const twin = isStatelessRevision(options.server ?? "")
    ? stack.use(startStatelessConformanceServer())
    : undefined;
  const direct = twin ? fixture.url : older(fixture.url, options.server);
  const gateway = stack.use(await startGatewayTo(twin?.url ?? direct));
  const through = older(gateway.url, options.client);
  const { servers } = await gateway.status();
  const reply = await new RawClient(through).initialize();
  const { select } = options.selection;
  return new Sides(
    {
      client: reply.message?.result?.protocolVersion,
      server: servers[0]?.revision,
    },
    await runSuite({ url: older(direct, options.client), select }),
    await runSuite({ url: through, select }),
  );
}

/** Starts a gateway whose only server is a fixture. */
export function startGatewayTo(
  url: string,
  local: TestGatewayOptions["local"] = {},
): Promise<TestGateway> {
  // The suite knows the names as they are.
  const servers = [{ name: "conformance", url, prefix: "" }];
  return startGateway({ servers, local });
}

/** Words for problems, with what the suite itself printed. */
export function report(
  problems: readonly Problem[],
  run: SuiteRun,
  scenario: string,
): string {
  return [...problems.map(({ text }) => text), "", outputOf(run, scenario)]
    .join("\n");
}
