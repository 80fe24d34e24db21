/**
 * More than one router process: the same calls through one and through two.
 *
 * @module
 */

import type { Era } from "../../../shared/mcp.ts";
import { type Bench, type Cell, foundIn } from "../cell.ts";
import { type OwnGateway, startOwnGateway } from "../own_gateway.ts";
import { sizedCall, type Target, toolAnswer } from "../requests.ts";
import { measureRounds, type Path, type Round, TIMED } from "../rounds.ts";
import { pairedRatio } from "../statistics.ts";

const ERA: Era = "session";
const AT_ONCE = 64;
const MANY = 2;

/** The cell. */
export function routerCells(): readonly Cell[] {
  return [{
    name: `routers/${MANY}`,
    about:
      `calls of 300 B in sessions through one router and through ${MANY}, ${AT_ONCE} at once`,
    async run(bench) {
      await using one = await start(bench, 1);
      await using many = await start(bench, MANY);
      const measured = await measureRounds([
        await pathOf("one router", one),
        await pathOf(`${MANY} routers`, many),
      ], bench);
      const { rounds } = measured;
      const ratio = (value: (of: Round) => number) =>
        pairedRatio(
          rounds[`${MANY} routers`]!.map(value),
          rounds["one router"]!.map(value),
        );
      return {
        ...foundIn(measured),
        figures: [{
          what: `calls per second, ${MANY} routers / one`,
          unit: "",
          ...ratio(({ rate }) => rate),
        }, {
          what: `CPU per call of all routers, ${MANY} / one`,
          unit: "",
          ...ratio(routersCpu),
        }],
      };
    },
  }];
}

function start(bench: Bench, routers: number): Promise<OwnGateway> {
  return startOwnGateway(bench, (address) => [{
    name: "scaled",
    url: `http://${address}/mcp`,
    era: ERA,
    prefix: "s_",
  }], { routers });
}

async function pathOf(name: string, own: OwnGateway): Promise<Path> {
  const { gateway, address } = own;
  const sessions: string[] = [];
  while (sessions.length < AT_ONCE) {
    sessions.push((await gateway.connect()).session ?? "");
  }
  const target: Target = { path: "/mcp", host: address, headers: {} };
  const routers = gateway.local.routers.map(({ pid }, at) => [
    at === 0 ? "processor" : `processor ${at + 1}`,
    pid,
  ]);
  return {
    name,
    campaign: {
      address,
      connections: AT_ONCE,
      sessions,
      steps: [{
        ...sizedCall(ERA, "s_echo", 300, target),
        ...toolAnswer(ERA, "ok"),
        timed: TIMED,
      }],
    },
    pids: { envoy: gateway.local.envoy.pid, ...Object.fromEntries(routers) },
  };
}

function routersCpu({ cpu }: Round): number {
  return Object.entries(cpu)
    .filter(([name]) => name.startsWith("processor"))
    .reduce((sum, [, us]) => sum + us, 0);
}
