/**
 * Calls of tools: in either era, with and without a prefix, small and large,
 * by few clients and by many.
 *
 * @module
 */

import type { Era } from "../../../shared/mcp.ts";
import { type Cell, foundIn } from "../cell.ts";
import { sizedCall, toolAnswer } from "../requests.ts";
import type { Figure } from "../results.ts";
import {
  type Measured,
  measureRounds,
  type Path,
  type Round,
  TIMED,
} from "../rounds.ts";
import { pairedRatio, spread } from "../statistics.ts";
import type { Naming } from "../servers.ts";
import type { PathName, World } from "../world.ts";

/** What is called how. */
export interface CallKind {
  /** Era of client and server. */
  readonly era: Era;
  /** Whether a prefix is removed on the way. */
  readonly naming: Naming;
  /** Bytes of the request's body. */
  readonly bytes: number;
  /** Clients at once. */
  readonly connections: number;
}

const ERAS: readonly Era[] = ["session", "stateless"];
const NAMINGS: readonly Naming[] = ["prefixed", "plain"];
const SIZES = [300, 64 * 1024];
const CONNECTIONS = [1, 16, 64];
/** More than the envelope of a stateless call takes, so that both are equal. */
const ERA_BYTES = 600;
const PATHS: readonly PathName[] = ["direct", "envoy", "go", "gateway"];

/** One cell per kind of call. */
export function callCells(): readonly Cell[] {
  return SIZES.flatMap((bytes) =>
    ERAS.flatMap((era) =>
      NAMINGS.flatMap((naming) =>
        CONNECTIONS.map((connections) =>
          callCell({ era, naming, bytes, connections })
        )
      )
    )
  );
}

/** Both eras side by side, on the gateway alone. */
export function eraCells(): readonly Cell[] {
  const connections = 16;
  return [{
    name: `eras/${connections}`,
    about: `calls of ${
      sizeName(ERA_BYTES)
    } in sessions beside stateless ones, through the gateway, ${connections} at once`,
    async run(bench) {
      const world = await bench.world();
      const paths = await Promise.all(ERAS.map(async (era) => ({
        ...await callPath(world, "gateway", {
          era,
          naming: "prefixed",
          bytes: ERA_BYTES,
          connections,
        }),
        name: era,
      })));
      const measured = await measureRounds(paths, bench);
      const { session = [], stateless = [] } = measured.rounds;
      const ratio = (value: (of: Round) => number) =>
        pairedRatio(stateless.map(value), session.map(value));
      return {
        ...foundIn(measured),
        figures: [{
          what: "calls per second, stateless / in sessions",
          unit: "",
          ...ratio(({ rate }) => rate),
          target: { atLeast: 1 },
        }, {
          what: "CPU per call, router, stateless / in sessions",
          unit: "",
          ...ratio(({ cpu }) => cpu["processor"]!),
        }],
      };
    },
  }];
}

/** `300B`, `64KiB`. */
export function sizeName(bytes: number): string {
  return bytes % 1024 === 0 ? `${bytes / 1024}KiB` : `${bytes}B`;
}

function callCell(kind: CallKind): Cell {
  const { era, naming, bytes, connections } = kind;
  const size = sizeName(bytes);
  return {
    name: `call/${era}/${naming}/${size}/${connections}`,
    about: `tools/call with a body of ${size}, ${
      era === "session" ? "in sessions" : "stateless"
    }, ${
      naming === "prefixed" ? "prefix removed" : "no prefix"
    }, ${connections} at once`,
    async run(bench) {
      const world = await bench.world();
      const paths = await Promise.all(
        PATHS.map((name) => callPath(world, name, kind)),
      );
      const measured = await measureRounds(paths, bench);
      return { ...foundIn(measured), figures: figures(measured, kind) };
    },
  };
}

/** A path that calls of a kind take. */
async function callPath(
  world: World,
  name: PathName,
  { era, naming, bytes, connections }: CallKind,
): Promise<Path> {
  const { address, target, tool, pids, adminUrl } = world.call(
    name,
    era,
    naming,
    "echo",
  );
  return {
    name,
    campaign: {
      address,
      connections,
      sessions: await world.sessions(connections),
      steps: [{
        ...sizedCall(era, tool, bytes, target),
        ...toolAnswer(era, "ok"),
        timed: TIMED,
      }],
    },
    pids,
    ...(adminUrl === undefined ? {} : { adminUrl }),
  };
}

/** What the project holds itself to, by the kind of call. */
function figures({ rounds }: Measured, kind: CallKind): readonly Figure[] {
  const { go = [], gateway = [], envoy = [] } = rounds;
  const goal = kind.bytes > 1024
    ? { rate: 0.9 }
    : kind.era === "session" && kind.naming === "prefixed" &&
        kind.connections === 16
    ? { rate: 0.75, cpu: 1.8 }
    : {};
  const added = (path: typeof go) =>
    path.map(({ p50 }, round) => p50 - envoy[round]!.p50);
  return [
    {
      what: "calls per second, gateway / go",
      unit: "",
      ...pairedRatio(
        gateway.map(({ rate }) => rate),
        go.map(({ rate }) => rate),
      ),
      ...(goal.rate === undefined ? {} : { target: { atLeast: goal.rate } }),
    },
    {
      what: "CPU per call, router / go",
      unit: "",
      ...pairedRatio(
        gateway.map(({ cpu }) => cpu["processor"]!),
        go.map(({ cpu }) => cpu["processor"]!),
      ),
      ...(goal.cpu === undefined ? {} : { target: { atMost: goal.cpu } }),
    },
    {
      what: "p50 added to Envoy's, gateway / go",
      unit: "",
      ...pairedRatio(added(gateway), added(go)),
      ...(kind.connections === 1 && kind.bytes <= 1024
        ? { target: { atMost: 1.3 } }
        : {}),
    },
    {
      what: "p50 added to Envoy's, gateway",
      unit: "µs",
      ...spread(added(gateway)),
    },
  ];
}
