/**
 * The official conformance suite's scenarios for clients, with the gateway as
 * the client of the suite's server: what it sends on behalf of clients of
 * either era, straight or translated, is what a client has to send.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { Era } from "../../shared/mcp.ts";
import type { ServerState } from "../../shared/status.ts";
import { proves } from "../support/proves.ts";
import { runClientScenario } from "./suite.ts";

/** Eras of clients, who speak through the gateway. */
const CLIENTS: readonly Era[] = ["session", "stateless"];

interface Scenario {
  readonly name: string;
  /** Revision of the suite's server; 2026-07-28 unless given. */
  readonly revision?: "2025-11-25";
  /** Eras of the clients; both unless given. */
  readonly clients?: readonly Era[];
  /** What the server is configured with; `auto` unless given. */
  readonly era?: Era;
  /** Checks that must have been made, and passed. */
  readonly checks: readonly string[];
  /** In which state the gateway sees the server; `ready` unless given. */
  readonly state?: ServerState;
}

/** Those whose server has sessions. */
const OF_SESSIONS: readonly Omit<Scenario, "revision" | "clients">[] = [
  {
    name: "initialize",
    // It offers nothing at all.
    state: "refused",
    checks: ["mcp-client-initialization"],
  },
  { name: "tools_call", checks: ["tool-add-numbers"] },
  {
    name: "elicitation-sep1034-client-defaults",
    checks: ["string", "integer", "number", "enum", "boolean"].map((type) =>
      `client-elicitation-sep1034-${type}-default`
    ),
  },
  {
    name: "sse-retry",
    checks: [
      "client-sse-graceful-reconnect",
      "client-sse-retry-timing",
      "client-sse-last-event-id",
    ],
  },
  {
    name: "json-schema-2020-12-preservation",
    checks: ["json-schema-2020-12-client-echo-completed"],
  },
];

const SCENARIOS: readonly Scenario[] = [
  { name: "tools_call", checks: ["tool-add-numbers"] },
  {
    name: "request-metadata",
    // It offers nothing at all: it is discovered, and no more.
    state: "refused",
    checks: [
      "sep-2575-client-populates-meta",
      "sep-2575-client-sends-client-info",
      "sep-2575-http-version-header-matches-meta",
      "sep-2575-client-retry-supported-version",
    ],
  },
  {
    name: "http-standard-headers",
    // Else the gateway asks, in the other era, whether there are sessions too.
    era: "stateless",
    checks: ["sep-2243-client-includes-standard-headers"],
  },
  {
    name: "http-custom-headers",
    checks: [
      "sep-2243-client-supports-custom-headers",
      "sep-2243-client-omit-null",
    ],
  },
  {
    name: "http-invalid-tool-headers",
    checks: ["sep-2243-client-reject-invalid-tool"],
  },
  {
    name: "sep-2322-client-request-state",
    checks: [
      "sep-2322-client-request-state-echoed",
      "sep-2322-client-jsonrpc-id-different",
      "sep-2322-client-no-state-omitted",
      "sep-2322-client-parallel-isolation",
      "sep-2322-default-result-type-complete",
    ],
  },
  {
    name: "json-schema-ref-no-deref",
    checks: ["sep-2106-no-network-ref-deref"],
  },
  {
    name: "json-schema-2020-12-preservation",
    checks: ["json-schema-2020-12-client-echo-completed"],
  },
  // What a client of sessions sends to a server of sessions is its own.
  ...OF_SESSIONS.map((scenario): Scenario => ({
    revision: "2025-11-25",
    clients: ["stateless"],
    ...scenario,
  })),
];

for (const scenario of SCENARIOS) {
  const { name, revision = "2026-07-28", clients = CLIENTS, checks } = scenario;
  const { era = "auto", state = "ready" } = scenario;
  for (const client of clients) {
    proves(
      `as a client in ${name} of ${revision} the gateway passes, for a ${client} client`,
      async () => {
        const run = await runClientScenario({
          command: [
            Deno.execPath(),
            ...["run", "-A", "--no-prompt", "--frozen"],
            ...["tests/conformance/drive_client.ts", client, era, state],
          ],
          scenario: name,
          revision,
        });
        const found = run.scenarios.get(name);
        assert(found !== undefined, run.output);
        assert(!run.output.includes("CLIENT EXITED WITH ERROR"), run.output);
        const wrong = found.filter(({ status }) =>
          status === "FAILURE" || status === "WARNING"
        ).map(({ id, errorMessage, description }) =>
          `${id}: ${errorMessage ?? description}`
        );
        assertEquals(wrong, [], run.output);
        const passed = new Set(
          found.filter(({ status }) => status === "SUCCESS").map(({ id }) =>
            id
          ),
        );
        assertEquals(checks.filter((id) => !passed.has(id)), [], run.output);
      },
    );
  }
}
