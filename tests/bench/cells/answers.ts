/**
 * Large answers, and answers that are streams: what they cost beyond a small
 * answer, of which the router only sees the beginning.
 *
 * @module
 */

import type { Era } from "../../../shared/mcp.ts";
import { type Bench, type Cell, foundIn } from "../cell.ts";
import type { Step } from "../campaign.ts";
import { request, sizedCall, toolAnswer } from "../requests.ts";
import type { Figure } from "../results.ts";
import {
  type Measured,
  measureRounds,
  type Path,
  type Round,
  TIMED,
} from "../rounds.ts";
import { pairedRatio, spread } from "../statistics.ts";
import type { CallTarget, PathName, World } from "../world.ts";

const ERAS: readonly Era[] = ["session", "stateless"];
/** Bytes of text in a large answer; the server's own default. */
const LARGE = 64 * 1024;
const AT_ONCE = 16;
const STREAMS = 4;
/** Microseconds between two events of a stream. */
const PAUSE_US = 1_000;
/** What passing something on may cost, measured by what it costs Envoy. */
const GOAL = { atMost: 1.25 };

/** The cells. */
export function answerCells(): readonly Cell[] {
  return ERAS.flatMap((era) => [largeCell(era), streamCell(era)]);
}

function largeCell(era: Era): Cell {
  return {
    name: `answer/${era}/64KiB/${AT_ONCE}`,
    about:
      `an answer of 64 KiB beside one of 2 bytes, ${era} era, ${AT_ONCE} at once`,
    async run(bench) {
      const world = await bench.world();
      const sessions = await world.sessions(AT_ONCE);
      const path = (on: PathName, size: "large" | "small"): Path => {
        const tool = size === "large" ? "big" : "echo";
        const text = size === "large" ? "x".repeat(LARGE) : "ok";
        return pathOf(
          size === "large" ? on : `${on}, small`,
          world.call(on, era, "prefixed", tool),
          {
            connections: AT_ONCE,
            sessions,
            step: (to) => ({
              ...sizedCall(era, to.tool, 300, to.target),
              ...toolAnswer(era, text),
              timed: TIMED,
            }),
          },
        );
      };
      const measured = await measureRounds([
        path("envoy", "large"),
        path("envoy", "small"),
        path("gateway", "large"),
        path("gateway", "small"),
      ], bench);
      const { rounds } = measured;
      return {
        ...foundIn(measured),
        figures: [...beyondSmall(rounds), {
          what: "answers per second, gateway / envoy",
          unit: "",
          ...pairedRatio(
            rounds["gateway"]!.map(({ rate }) => rate),
            rounds["envoy"]!.map(({ rate }) => rate),
          ),
        }],
      };
    },
  };
}

/**
 * As long in all, but in longer rounds: a stream lasts one, so that its own
 * beginning, which is a call, hardly counts.
 */
function coarsely(bench: Bench): Bench {
  return {
    ...bench,
    rounds: Math.ceil(bench.rounds / 4),
    roundMs: bench.roundMs * 4,
  };
}

/** What a large answer costs more than a small one. */
function beyondSmall(rounds: Measured["rounds"]): readonly Figure[] {
  const [envoy, gateway] = ["envoy", "gateway"].map((on) =>
    spread(
      rounds[on]!.map((large, at) =>
        passing(large) - passing(rounds[`${on}, small`]![at]!)
      ),
    )
  );
  const what = "CPU of a large answer beyond a small one";
  return [
    { what: `${what}, envoy`, unit: "µs", ...envoy! },
    { what: `${what}, gateway`, unit: "µs", ...gateway! },
    {
      what: `${what}, gateway / envoy`,
      unit: "",
      // Of the medians: round by round, one small number by another says little.
      ...spread([gateway!.median / envoy!.median]),
      target: { ...GOAL, atLeast: 0 },
    },
  ];
}

function streamCell(era: Era): Cell {
  return {
    name: `events/${era}/${STREAMS}`,
    about:
      `events of tools' streams, one every ms, ${era} era, ${STREAMS} streams at once`,
    async run(bench) {
      const world = await bench.world();
      const coarse = coarsely(bench);
      const measured = await measureRounds(
        await Promise.all(
          (["direct", "envoy", "gateway"] as const).map((name) =>
            streamPath(coarse, world, name, era)
          ),
        ),
        coarse,
      );
      const { envoy = [], gateway = [] } = measured.rounds;
      const ratio = (value: (of: Round) => number) =>
        pairedRatio(gateway.map(value), envoy.map(value));
      return {
        ...foundIn(measured),
        figures: [{
          what: "CPU per event, gateway / envoy",
          unit: "",
          ...ratio(passing),
          target: GOAL,
        }, {
          what: "p50 of an event, gateway / envoy",
          unit: "",
          ...ratio(({ p50 }) => p50),
          target: GOAL,
        }],
      };
    },
  };
}

async function streamPath(
  { roundMs }: Bench,
  world: World,
  name: PathName,
  era: Era,
): Promise<Path> {
  const events = Math.max(Math.floor(roundMs * 900 / PAUSE_US), 5);
  const path = pathOf(name, world.call(name, era, "prefixed", "events"), {
    connections: STREAMS,
    sessions: await world.sessions(STREAMS),
    step: ({ tool, target }) => ({
      ...request(era, "tools/call", {
        name: tool,
        arguments: { events, pauseUs: PAUSE_US },
      }, target),
      ...toolAnswer(era, "ok"),
      events,
      timed: TIMED,
    }),
  });
  return { ...path, unit: "event" };
}

function pathOf(name: string, to: CallTarget, options: {
  readonly connections: number;
  readonly sessions: readonly string[];
  readonly step: (to: CallTarget) => Step;
}): Path {
  const { connections, sessions, step } = options;
  return {
    name,
    campaign: {
      address: to.address,
      connections,
      sessions,
      steps: [step(to)],
    },
    pids: to.pids,
  };
}

/** CPU time of whoever stands between client and server. */
function passing({ cpu }: Round): number {
  return (cpu["envoy"] ?? 0) + (cpu["processor"] ?? 0);
}
