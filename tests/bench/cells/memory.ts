/**
 * What a session, and a stream, costs in memory when nobody uses it.
 *
 * Each session has called a tool once, and so has a session with the server
 * too. What the processes hold is looked at once garbage is gone: they collect
 * all of it each time they collect any, and some of the sessions are pinged
 * until the heaps do not get smaller any more.
 *
 * @module
 */

import { BenchTool, runCampaign } from "../bench_tools.ts";
import { failuresOf, type Outcome, type Step } from "../campaign.ts";
import type { Bench, Cell } from "../cell.ts";
import { learn } from "../learn.ts";
import { type OwnGateway, startOwnGateway } from "../own_gateway.ts";
import {
  end,
  eraHeaders,
  head,
  request,
  sizedCall,
  type Target,
  toolAnswer,
} from "../requests.ts";
import type { Figure } from "../results.ts";
import { spread } from "../statistics.ts";
import { openingSteps } from "./sessions.ts";

/**
 * Sessions that come and go before the first look: what a process takes once it
 * has much to do, it does not take for sessions.
 */
const PASSING = 5_000;
/** Sessions that are there at the first look. */
const WARM = 500;
const SESSIONS = 9_500;
const STREAMS = 1_000;
const AT_ONCE = 8;
/** Pings between two looks. */
const PINGS = 100;
/** Looks without a smaller heap after which it is settled. */
const STILL = 20;
/** Bytes by which a heap has to be smaller, so that it counts. */
const SMALLER = 100_000;
const KIB = 1024;

/** What one process holds, bytes. */
interface Held {
  readonly rss: number;
  /** Of JavaScript's own. */
  readonly heap: number;
  /** Of what JavaScript refers to. */
  readonly external: number;
}

type Stage = Readonly<Record<"router" | "broker", Held>>;

/** The cell. */
export function memoryCells(): readonly Cell[] {
  return [{
    name: "memory",
    about:
      `memory of an idle session (${SESSIONS} beside ${WARM}) and of an open stream (${STREAMS})`,
    async run(bench) {
      const [passing, warm, more, streams] = bench.smoke
        ? [10, 10, 20, 10]
        : [PASSING, WARM, SESSIONS, STREAMS];
      await using own = await startOwnGateway(
        bench,
        (address) => [{
          name: "idle",
          url: `http://${address}/mcp`,
          era: "session",
          prefix: "i_",
        }],
        { env: { DENO_V8_FLAGS: "--gc-global" } },
      );
      const outcomes: Outcome[] = [];
      const open = async (count: number) => {
        const outcome = await openSessions(bench, own, count);
        outcomes.push(outcome);
        return outcome.sessions ?? [];
      };
      outcomes.push(await openSessions(bench, own, passing, "ended"));
      const pinged = await open(warm);
      const before = await settled(bench, own, pinged);
      const sessions = await open(more);
      const idle = await settled(bench, own, pinged);
      await using listeners = new BenchTool(bench.tools, ["listen"]);
      await listeners.tell({
        address: own.address,
        streams,
        sessions,
        stream: {
          head: head("GET", targetOf(own), eraHeaders("session", "")),
        },
        event: "list_changed",
      });
      await listeners.said();
      const listening = await settled(bench, own, pinged);
      return {
        paths: {},
        ...failuresOf(outcomes),
        figures: [
          ...perOne("an idle session", before, idle, more, {
            router: 5,
            broker: 10,
          }),
          ...perOne("an open stream", idle, listening, streams),
        ],
      };
    },
  }];
}

function targetOf({ address }: OwnGateway): Target {
  return { path: "/mcp", host: address, headers: {} };
}

async function openSessions(
  { tools }: Bench,
  own: OwnGateway,
  count: number,
  then: "ended" | "kept" = "kept",
): Promise<Outcome> {
  const target = targetOf(own);
  const call: Step = {
    ...sizedCall("session", "i_echo", 300, target),
    ...toolAnswer("session", "ok"),
  };
  return await runCampaign(tools, {
    address: own.address,
    connections: AT_ONCE,
    iterations: count,
    steps: [
      ...await openingSteps(own.address, target),
      call,
      ...(then === "ended" ? [end(target, 204)] : []),
    ],
    tellSessions: then === "kept",
  });
}

/** Waits until nothing of what is held is garbage. */
async function settled(
  { tools, smoke }: Bench,
  { gateway, address }: OwnGateway,
  sessions: readonly string[],
): Promise<Stage> {
  const target: Target = { path: "/mcp", host: address, headers: {} };
  const asked = request("session", "ping", {}, target);
  const { step } = await learn(asked, address, sessions[0]);
  const { routerInternalUrl, brokerInternalUrl } = gateway.local;
  let least: Stage | undefined;
  for (let still = 0; still < (smoke ? 2 : STILL); still++) {
    await runCampaign(tools, {
      address,
      connections: AT_ONCE,
      iterations: PINGS,
      sessions,
      steps: [step],
    });
    const now: Stage = {
      router: await heldBy(routerInternalUrl),
      broker: await heldBy(brokerInternalUrl),
    };
    if (least !== undefined && !isSmaller(now, least)) continue;
    still = 0;
    least = {
      router: smaller(now.router, least?.router),
      broker: smaller(now.broker, least?.broker),
    };
  }
  if (least === undefined) {
    throw new Error("Cannot tell: nothing was looked at");
  }
  return least;
}

function isSmaller(now: Stage, least: Stage): boolean {
  return (["router", "broker"] as const).some((name) =>
    now[name].heap < least[name].heap - SMALLER
  );
}

function smaller(now: Held, least: Held | undefined): Held {
  return least === undefined || now.heap < least.heap ? now : least;
}

async function heldBy(url: string): Promise<Held> {
  const response = await fetch(new URL("/metrics", url));
  const text = await response.text();
  const value = (name: string) =>
    Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1]);
  return {
    rss: value("process_resident_memory_bytes"),
    heap: value("process_heap_bytes"),
    external: value("process_external_memory_bytes"),
  };
}

const KINDS: Readonly<Record<keyof Held, string>> = {
  rss: "in RAM",
  heap: "of that heap",
  external: "of that outside the heap",
};

function perOne(
  what: string,
  before: Stage,
  after: Stage,
  count: number,
  goals: Partial<Record<keyof Stage, number>> = {},
): readonly Figure[] {
  return (["router", "broker"] as const).flatMap((name) =>
    (["rss", "heap", "external"] as const).map((kind) => {
      const goal = kind === "rss" ? goals[name] : undefined;
      const bytes = (after[name][kind] - before[name][kind]) / count;
      return {
        what: `${what}, ${name}, ${KINDS[kind]}`,
        unit: "KiB",
        ...spread([bytes / KIB]),
        ...(goal === undefined ? {} : { target: { atMost: goal } }),
      };
    })
  );
}
