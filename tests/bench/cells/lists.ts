/**
 * Lists of tools: the broker's, beside a handler that has the same bytes in
 * memory and stands behind the same Envoy and the same router.
 *
 * @module
 */

import type { Era } from "../../../shared/mcp.ts";
import type { Step } from "../campaign.ts";
import { type Cell, foundIn } from "../cell.ts";
import { startEnvoyBeside } from "../envoy_beside.ts";
import { learn } from "../learn.ts";
import { type OwnGateway, startOwnGateway } from "../own_gateway.ts";
import { request, type Target } from "../requests.ts";
import { measureRounds, type Path, TIMED } from "../rounds.ts";
import { pairedRatio } from "../statistics.ts";
import { startListServer } from "../list_server.ts";
import { benchEnvoy } from "../world.ts";

const ERAS: readonly Era[] = ["session", "stateless"];
const COUNTS = [10, 1_000, 5_000];
/** Tools of one server at most: what the gateway takes of one. */
const PER_SERVER = 1_000;
const AT_ONCE = 16;

/** The cells. */
export function listCells(): readonly Cell[] {
  return ERAS.flatMap((era) => COUNTS.map((count) => listCell(era, count)));
}

function listCell(era: Era, count: number): Cell {
  return {
    name: `list/${era}/${count}`,
    about: `tools/list of ${count} tools, ${era} era, ${AT_ONCE} at once; ` +
      "one request is one page of 1,000 at most",
    async run(bench) {
      await using own = await startOwnGateway(
        bench,
        (address) =>
          servers(address, bench.smoke ? Math.min(count, 2_000) : count),
      );
      const { gateway, address } = own;
      const opened = await openSessions(own, era);
      const steps = await learnPages(era, address, opened[0]);
      // A cursor is good in its own session only.
      const sessions = steps.length > 1 ? opened.slice(0, 1) : opened;
      await using memory = await startListServer(steps);
      await using beside = await startEnvoyBeside({
        name: "Envoy before lists in memory",
        envoy: await benchEnvoy(),
        config: gateway.local.config,
        processor: {
          kind: "unix",
          path: `${gateway.local.runDir}/router-0.sock`,
        },
        broker: { kind: "tcp", host: "127.0.0.1", port: memory.port },
      });
      const { router, envoy, broker } = gateway.local;
      const path = (
        name: string,
        address: string,
        pids: Readonly<Record<string, number>>,
      ): Path => ({
        name,
        campaign: { address, connections: AT_ONCE, sessions, steps },
        pids: { ...pids, processor: router.pid },
      });
      const measured = await measureRounds([
        path("memory", beside.address, {
          envoy: beside.pid,
          broker: memory.pid,
        }),
        path("gateway", address, { envoy: envoy.pid, broker: broker.pid }),
      ], bench);
      const { rounds } = measured;
      const ratio = (value: (of: typeof rounds[string][number]) => number) =>
        pairedRatio(
          rounds["gateway"]!.map(value),
          rounds["memory"]!.map(value),
        );
      return {
        ...foundIn(measured),
        figures: [{
          what: "lists per second, broker / memory",
          unit: "",
          ...ratio(({ rate }) => rate),
          ...(count === 1_000 ? { target: { atLeast: 0.8 } } : {}),
        }, {
          what: "CPU per list, broker / memory",
          unit: "",
          ...ratio(({ cpu }) => cpu["broker"]!),
        }],
      };
    },
  };
}

function servers(address: string, count: number): ReturnType<
  Parameters<typeof startOwnGateway>[1]
> {
  const number = Math.ceil(count / PER_SERVER);
  return Array.from({ length: number }, (_, at) => ({
    name: `list-${at}`,
    url: `http://${address}/mcp?tools=${Math.min(count, PER_SERVER)}&at=${at}`,
    era: "session",
    prefix: `s${at}_`,
  }));
}

async function openSessions(
  { gateway }: OwnGateway,
  era: Era,
): Promise<readonly string[]> {
  const sessions: string[] = [];
  while (era === "session" && sessions.length < AT_ONCE) {
    sessions.push((await gateway.connect()).session ?? "");
  }
  return sessions;
}

/** Asks for every page once. */
async function learnPages(
  era: Era,
  address: string,
  session: string | undefined,
): Promise<readonly Step[]> {
  const target: Target = { path: "/mcp", host: address, headers: {} };
  const steps: Step[] = [];
  let cursor: string | undefined;
  do {
    const params = cursor === undefined ? {} : { cursor };
    const asked = request(era, "tools/list", params, target);
    const { step, text } = await learn(
      { ...asked, timed: TIMED },
      address,
      session,
    );
    steps.push(step);
    cursor = JSON.parse(text).result.nextCursor;
  } while (cursor !== undefined);
  return steps;
}
