/**
 * A configuration of a thousand servers: how long until it is in force, when
 * all of them are new, and when one more comes.
 *
 * @module
 */

import { parseConfig } from "../../../shared/config/parse.ts";
import { EnvoyAdmin } from "../../../shared/envoy/admin.ts";
import { configInForce } from "../../../shared/local/programs.ts";
import { waitFor } from "../../../shared/wait.ts";
import type { ServerEntry } from "../../support/config_file.ts";
import type { RawClient } from "../../support/raw_client.ts";
import type { Cell } from "../cell.ts";
import { type OwnGateway, startOwnGateway } from "../own_gateway.ts";
import type { Figure } from "../results.ts";
import { type Spread, spread } from "../statistics.ts";

const SERVERS = 1_000;
/** Changes by one server, at most: each takes seconds. */
const CHANGES = 3;
/** What a change may take at the very most, milliseconds. */
const DEADLINE_MS = 120_000;

/** The cell. */
export function configCells(): readonly Cell[] {
  return [{
    name: `config/${SERVERS}`,
    about:
      `a configuration of ${SERVERS} servers, from its file until it is in force`,
    async run(bench) {
      const count = bench.smoke ? 20 : SERVERS;
      await using own = await startOwnGateway(
        bench,
        (address) => entries(address, 1),
      );
      const client = await own.gateway.connect();
      const all = await change(own, client, count);
      const ready = await allReady(own, count);
      const more: Change[] = [];
      for (let at = 1; at <= Math.min(bench.rounds, CHANGES); at++) {
        more.push(await change(own, client, count + at));
      }
      return {
        paths: {},
        failures: 0,
        figures: [
          ...figures(`all ${count} new`, [all]),
          {
            what: `all ${count} new: listed by the broker`,
            unit: "ms",
            ...spread([ready - all.began]),
          },
          ...figures(`one more than ${count}`, more),
        ],
      };
    },
  }];
}

function entries(address: string, count: number): readonly ServerEntry[] {
  return Array.from({ length: count }, (_, at) => ({
    name: `server-${at}`,
    url: `http://${address}/mcp?at=${at}`,
    era: "session",
    prefix: `s${at}_`,
  }));
}

/** Milliseconds from the file until … */
interface Change {
  /** When the file was written, on the clock of `performance`. */
  readonly began: number;
  /** Envoy has routes to its servers. */
  readonly envoy: number;
  /** the router acts on it. */
  readonly router: number;
  /** the broker does. */
  readonly broker: number;
  /** a client's call of the last server's tool is answered. */
  readonly callable: number;
}

/** Writes a file of so many servers, and waits. */
async function change(
  { gateway, server }: OwnGateway,
  client: RawClient,
  count: number,
): Promise<Change> {
  const servers = entries(server.address, count);
  const version = versionOf(servers);
  const { local } = gateway;
  const signal = AbortSignal.timeout(DEADLINE_MS);
  const began = performance.now();
  const since = async (what: Promise<void>) => {
    await what;
    return performance.now() - began;
  };
  await gateway.config.write(servers);
  const [envoy, router, broker, callable] = await Promise.all([
    since(untilRouted(local.envoyAdminUrl, version, signal)),
    since(inForce("router", local.routerInternalUrl, version, signal)),
    since(inForce("broker", local.brokerInternalUrl, version, signal)),
    since(untilCallable(client, `s${count - 1}_echo`, signal)),
  ]);
  return { began, envoy, router, broker, callable };
}

function versionOf(servers: readonly ServerEntry[]): string {
  const text = JSON.stringify({ servers }, null, 2);
  const parsed = parseConfig(text, { file: "config.json" });
  if (!parsed.ok) throw new Error("Cannot measure: the configuration is wrong");
  return parsed.config.version;
}

/** As often as it takes: each look of its own may give up earlier. */
async function inForce(
  name: string,
  url: string,
  version: string,
  signal: AbortSignal,
): Promise<void> {
  while (true) {
    try {
      return await configInForce(name, url, version, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Error && /Cannot wait/.test(error.message))) {
        throw error;
      }
    }
  }
}

async function untilRouted(
  adminUrl: string,
  version: string,
  signal: AbortSignal,
): Promise<void> {
  const admin = new EnvoyAdmin(adminUrl, () => []);
  await waitFor(
    async () => (await admin.state()).rds.startsWith(version) || undefined,
    { what: "Envoy to have the routes", timeoutMs: DEADLINE_MS, signal },
  );
}

async function untilCallable(
  client: RawClient,
  tool: string,
  signal: AbortSignal,
): Promise<void> {
  await waitFor(async () => {
    const { message } = await client.call(tool);
    return message?.result === undefined ? undefined : true;
  }, { what: `${tool} to be callable`, timeoutMs: DEADLINE_MS, signal });
}

/** Waits until the broker has every server's list. */
async function allReady(
  { gateway }: OwnGateway,
  count: number,
): Promise<number> {
  return await waitFor(async () => {
    const { servers } = await gateway.status();
    const ready = servers.filter(({ state }) => state === "ready").length;
    return ready === count ? performance.now() : undefined;
  }, {
    what: `${count} servers to be ready`,
    timeoutMs: DEADLINE_MS,
    intervalMs: 50,
  });
}

function figures(
  what: string,
  changes: readonly Change[],
): readonly Figure[] {
  const of = (value: (of: Change) => number): Spread =>
    spread(changes.map(value));
  return [
    {
      what: `${what}: Envoy has the routes`,
      unit: "ms",
      ...of(({ envoy }) => envoy),
    },
    {
      what: `${what}: the router acts on it`,
      unit: "ms",
      ...of(({ router }) => router),
    },
    {
      what: `${what}: the broker acts on it`,
      unit: "ms",
      ...of(({ broker }) => broker),
    },
    {
      what: `${what}: the last one answers a call`,
      unit: "ms",
      ...of(({ callable }) => callable),
    },
  ];
}
