/**
 * The beginning of a session: `initialize`, and its first call, for which the
 * router opens a session with the server.
 *
 * @module
 */

import { runCampaign } from "../bench_tools.ts";
import {
  type Campaign,
  failuresOf,
  type Outcome,
  type Step,
} from "../campaign.ts";
import { type Bench, type Cell, foundIn } from "../cell.ts";
import { learn } from "../learn.ts";
import {
  end,
  initialize,
  initialized,
  sizedCall,
  type Target,
  toolAnswer,
} from "../requests.ts";
import type { Figure } from "../results.ts";
import { measureRounds, type Path, TIMED } from "../rounds.ts";
import { pairedRatio, type Spread, spread } from "../statistics.ts";
import type { World } from "../world.ts";

/** The cells. */
export function sessionCells(): readonly Cell[] {
  return [initializeCell(1), initializeCell(16), firstCallCell()];
}

function initializeCell(connections: number): Cell {
  return {
    name: `initialize/${connections}`,
    about:
      `initialize, and the end of that session again, ${connections} at once`,
    async run(bench) {
      const world = await bench.world();
      const path = async (name: "direct" | "gateway"): Promise<Path> => {
        const to = world.call(name, "session", "prefixed", "echo");
        const steps = [
          { ...await opening(to.address, to.target), timed: TIMED },
          end(to.target, name === "direct" ? 200 : 204),
        ];
        return {
          name,
          campaign: { address: to.address, connections, steps },
          pids: to.pids,
        };
      };
      const measured = await measureRounds([
        await path("direct"),
        await path("gateway"),
      ], bench);
      const { rounds } = measured;
      return {
        ...foundIn(measured),
        figures: [{
          what: "p50, gateway / the server itself",
          unit: "",
          ...pairedRatio(
            rounds["gateway"]!.map(({ p50 }) => p50),
            rounds["direct"]!.map(({ p50 }) => p50),
          ),
        }],
      };
    },
  };
}

/** The steps with which a client opens a session. */
export async function openingSteps(
  address: string,
  target: Target,
): Promise<readonly Step[]> {
  return [await opening(address, target), initialized(target)];
}

/** An `initialize` whose session holds for the steps behind it. */
async function opening(address: string, target: Target): Promise<Step> {
  const { step, headers } = await learn(initialize(target), address);
  const session = headers.get("mcp-session-id");
  await fetch(`http://${address}${target.path}`, {
    method: "DELETE",
    headers: { "mcp-session-id": session ?? "" },
  });
  return { ...step, opens: true };
}

/** Sessions of one round. */
const SESSIONS = 100;
const CALL = "tools/call";
/** The session's two exchanges with the server before its first call. */
const HANDSHAKE = ["initialize", "notifications/initialized"];
/** What the broker says to the server by itself. */
const DISCOVERY = ["ping", "server/discover", "tools/list", "GET"];

function firstCallCell(): Cell {
  return {
    name: "first-call",
    about:
      "the first call of a session, for which the router opens a session with the server, beside the second",
    async run(bench) {
      const world = await bench.world();
      const campaign = await firstCalls(world, bench);
      const warm = await runCampaign(bench.tools, campaign);
      const rounds: { outcome: Outcome; counts: Record<string, number> }[] = [];
      for (let round = 0; round < bench.rounds; round++) {
        await world.server.counts();
        const outcome = await runCampaign(bench.tools, campaign);
        rounds.push({ outcome, counts: await world.server.counts() });
      }
      const sessions = campaign.iterations ?? 0;
      const outcomes = [warm, ...rounds.map(({ outcome }) => outcome)];
      return {
        paths: {},
        ...failuresOf(outcomes),
        figures: [
          ...times(rounds.map(({ outcome }) => outcome)),
          ...exchanges(rounds.map(({ counts }) => counts), sessions),
        ],
      };
    },
  };
}

async function firstCalls(world: World, bench: Bench): Promise<Campaign> {
  const { address, target, tool } = world.call(
    "gateway",
    "session",
    "prefixed",
    "echo",
  );
  const call = (timed: string): Step => ({
    ...sizedCall("session", tool, 300, target),
    ...toolAnswer("session", "ok"),
    timed,
  });
  return {
    address,
    connections: 1,
    iterations: bench.smoke ? 5 : SESSIONS,
    steps: [
      ...await openingSteps(address, target),
      call("first"),
      call("second"),
      end(target, 204),
    ],
  };
}

function times(outcomes: readonly Outcome[]): readonly Figure[] {
  const p50 = (step: string): Spread =>
    spread(outcomes.map(({ timings }) => timings[step]?.p50 ?? NaN));
  return [
    { what: "p50 of the first call", unit: "µs", ...p50("first") },
    { what: "p50 of the second", unit: "µs", ...p50("second") },
  ];
}

/** Counted at the server, which sees everything that the gateway sends. */
function exchanges(
  rounds: readonly Readonly<Record<string, number>>[],
  sessions: number,
): readonly Figure[] {
  const per = (count: (counts: Readonly<Record<string, number>>) => number) =>
    spread(rounds.map((counts) => count(counts) / sessions));
  const known = new Set([
    ...[CALL, ...HANDSHAKE, ...DISCOVERY, "DELETE", "connections"],
  ]);
  return [
    ...HANDSHAKE.map((method) => ({
      what: `${method} at the server per session`,
      unit: "",
      ...per((counts) => counts[method] ?? 0),
      target: { atLeast: 1, atMost: 1 },
    })),
    {
      what: "tools/call at the server per session",
      unit: "",
      ...per((counts) => counts[CALL] ?? 0),
      target: { atLeast: 2, atMost: 2 },
    },
    {
      what: "other messages at the server per session",
      unit: "",
      ...per((counts) =>
        Object.entries(counts).reduce(
          (sum, [what, count]) => known.has(what) ? sum : sum + count,
          0,
        )
      ),
      target: { atMost: 0 },
    },
    {
      what: "connections to the server per session",
      unit: "",
      ...per((counts) => counts["connections"] ?? 0),
      target: { atMost: 0.1 },
    },
  ];
}
