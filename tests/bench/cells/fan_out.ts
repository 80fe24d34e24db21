/**
 * One change of a server's tools, and many clients that listen: how long until
 * each has heard of it.
 *
 * @module
 */

import type { Era } from "../../../shared/mcp.ts";
import { BenchTool } from "../bench_tools.ts";
import type { Cell } from "../cell.ts";
import { openingSteps } from "./sessions.ts";
import { type OwnGateway, startOwnGateway } from "../own_gateway.ts";
import { eraHeaders, head, request, type Target } from "../requests.ts";
import type { Figure } from "../results.ts";
import { quantile, spread } from "../statistics.ts";

const ERAS: readonly Era[] = ["session", "stateless"];
const CLIENTS = 1_000;
/** Milliseconds in which all have to have it. */
const GOAL_MS = 250;
/** The cells. */
export function fanOutCells(): readonly Cell[] {
  return ERAS.map((era) => ({
    name: `fan-out/${era}/${CLIENTS}`,
    about: `one tools/list_changed to ${CLIENTS} clients that listen, ${era} ` +
      "era, from when the server says it",
    async run(bench) {
      const clients = bench.smoke ? 20 : CLIENTS;
      await using own = await startOwnGateway(
        bench,
        (address) => [{
          name: "changing",
          url: `http://${address}/mcp`,
          era: "session",
          prefix: "c_",
        }],
      );
      await using listeners = new BenchTool(bench.tools, ["listen"]);
      await listeners.tell(await audience(own, era, clients));
      await listeners.said();
      const waves: Wave[] = [];
      for (let at = 0; at < bench.rounds; at++) {
        waves.push(await wave(own, listeners));
      }
      const missing = waves.reduce(
        (sum, { delays }) => sum + clients - delays.length,
        0,
      );
      return {
        paths: {},
        figures: figures(waves),
        failures: missing,
        ...(missing === 0
          ? {}
          : { firstFailure: "a client that did not hear of a change" }),
      };
    },
  }));
}

/** Delays until clients heard of one change, milliseconds, sorted. */
interface Wave {
  readonly delays: readonly number[];
}

/** Whoever listens, as `bench_tools listen` reads it. */
async function audience(
  { address }: OwnGateway,
  era: Era,
  streams: number,
): Promise<object> {
  const target: Target = { path: "/mcp", host: address, headers: {} };
  const event = "notifications/tools/list_changed";
  return era === "session"
    ? {
      address,
      streams,
      prepare: await openingSteps(address, target),
      stream: {
        head: head("GET", target, eraHeaders("session", "")),
      },
      event,
    }
    : {
      address,
      streams,
      prepare: [],
      stream: request("stateless", "subscriptions/listen", {
        notifications: { toolsListChanged: true },
      }, target),
      event,
      opened: "notifications/subscriptions/acknowledged",
    };
}

async function wave(
  { server }: OwnGateway,
  listeners: BenchTool,
): Promise<Wave> {
  await listeners.tell("next");
  await listeners.said(); // what came late of the last one is dropped
  const began = await server.change();
  const { at } = await listeners.said<{ readonly at: readonly string[] }>();
  return { delays: at.map((time) => Number(BigInt(time) - began) / 1e6) };
}

function figures(waves: readonly Wave[]): readonly Figure[] {
  const of = (share: number) =>
    spread(waves.map(({ delays }) => quantile(delays, share)));
  return [
    { what: "until the first client has it", unit: "ms", ...of(0) },
    { what: "until half of them have it", unit: "ms", ...of(0.5) },
    {
      what: "until all of them have it",
      unit: "ms",
      ...of(1),
      target: { atMost: GOAL_MS },
    },
  ];
}
