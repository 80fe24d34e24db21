/**
 * Load: ten thousand calls of clients of both eras at servers of both eras,
 * through one gateway, of which some ask their client and some are left. Then
 * nothing is under way, parked, asked or held any more.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { ConversingServer } from "../fixtures/conversing_server.ts";
import { bearer } from "../support/bearer.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import {
  inSession,
  type MixedClient,
  ModernServer,
  sessionless,
  sessionServer,
} from "../support/mixed_eras.ts";
import { proves, shared } from "../support/proves.ts";
import { RawClient } from "../support/raw_client.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { eventually } from "../support/wait.ts";

const CALLS = 10_000;
/** The calls come in so many parts: each is a test with a deadline. */
const PARTS = 8;
/** Clients of each era. */
const CLIENTS = 16;
/** Calls that each has under way. */
const AT_ONCE = 4;
/** Calls that each client begins and leaves, and never asks for again. */
const LEFT = 2;
const CAPABILITIES = { elicitation: {} };
const SERVERS = ["old", "new"] as const;

const setup = shared(async (stack) => {
  const old = stack.use(sessionServer());
  const modern = stack.use(new ModernServer());
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "old", url: old.url, prefix: "old_" },
        { name: "new", url: modern.url, prefix: "new_" },
      ],
      // A call whose client does not come back ends soon.
      local: {
        routers: 2,
        brokers: 2,
        brokerArgs: ["--park-seconds=3"],
      },
    }),
  );
  const clients: MixedClient[] = [];
  const sessions: RawClient[] = [];
  for (let at = 0; at < CLIENTS; at++) {
    // Half of them are somebody, the others anybody.
    const headers = at % 2 === 0 ? bearer(`user-${at}`) : {};
    const client = await gateway.connect({
      capabilities: CAPABILITIES,
      headers,
    });
    sessions.push(client);
    clients.push(inSession(`session-${at}`, client));
    clients.push(sessionless(
      `sessionless-${at}`,
      new StatelessClient(gateway.url, { capabilities: CAPABILITIES, headers }),
    ));
  }
  return { old, modern, gateway, clients, sessions };
});

/** Every eighth call asks, and every other of these is declined. */
function callOnce(
  client: MixedClient,
  n: number,
): Promise<string | undefined> {
  const server = SERVERS[n % 2]!;
  return n % 8 < 2
    ? client.ask(server, n, n % 16 < 2 ? "accept" : "decline")
    : client.echo(server, n);
}

/** Calls of one client in one part. */
const EACH = Math.ceil(CALLS / PARTS / (2 * CLIENTS));

for (let part = 0; part < PARTS; part++) {
  proves(
    `no call of part ${part + 1} of ${PARTS} is lost or answered wrongly`,
    async () => {
      const wrong: string[] = [];
      let answered = 0;
      await Promise.all(
        setup().clients.map(async (client) => {
          const numbers = Array.from({ length: EACH }, (_, i) => i)
            .map((i) => 1 + part * EACH + i).values();
          await Promise.all(Array.from({ length: AT_ONCE }, async () => {
            for (const n of numbers) {
              const found = await callOnce(client, n).catch((error) =>
                `${client.name} call ${n}: ${error}`
              );
              answered++;
              if (found !== undefined) wrong.push(found);
            }
          }));
        }),
      );
      assertEquals(wrong, []);
      assertEquals(answered, EACH * 2 * CLIENTS);
    },
  );
}

/** Numbers of the calls that are left, by server. */
const LEFT_FROM = { old: 1_000_000, new: 2_000_000 };

/**
 * The calls that a server with sessions was told are cancelled. A broker that
 * does not know who has a call tells every server of its session: what is for
 * the other server does not count, nor what is said twice.
 */
function cancelledAt(server: ConversingServer): number {
  const calls = [...server.sessions.values()].flatMap((session) =>
    session.notifications
      .filter(({ method }) => method === "notifications/cancelled")
      .map(({ params }) => params?.requestId)
      .filter((id) => !(Number(id) >= LEFT_FROM.new))
      .map((id) => `${session.id} ${id}`)
  );
  return new Set(calls).size;
}

proves("calls that are left end at their servers", async () => {
  const { clients, old, modern } = setup();
  const before = cancelledAt(old);
  await Promise.all(clients.map(async (client) => {
    for (let i = 0; i < LEFT; i++) {
      for (const server of SERVERS) {
        await client.leave(server, LEFT_FROM[server] + i);
      }
    }
  }));
  await eventually(() => {
    assertEquals(modern.hanging, 0);
    assertEquals(cancelledAt(old) - before, clients.length * LEFT);
  }, { deadlineMs: 60_000 });
});

/** What every broker translates just now. */
async function underWay(gateway: TestGateway): Promise<number> {
  let sum = 0;
  for (const url of gateway.local.brokerInternalUrls) {
    const { bridge } = await gateway.status(url);
    assert(bridge !== undefined, "the status says nothing of the bridge");
    sum += bridge.runningCalls + bridge.parkedCalls;
  }
  return sum;
}

proves("questions that are never answered end in time", async () => {
  const { clients, gateway } = setup();
  await Promise.all(clients.map(async (client) => {
    for (const server of SERVERS) await client.abandon(server, 3_000_000);
  }));
  await eventually(
    async () => assertEquals(await underWay(gateway), 0),
    { deadlineMs: 60_000 },
  );
});

/** A gauge of some programs, all its labels summed up. */
async function gauge(urls: readonly string[], name: string): Promise<number> {
  let sum = 0;
  for (const url of urls) {
    const response = await fetch(new URL("/metrics", url));
    const lines = (await response.text()).split("\n").filter((line) =>
      line.startsWith(`${name} `) || line.startsWith(`${name}{`)
    );
    assert(lines.length > 0, `there is no ${name}`);
    for (const line of lines) sum += Number(line.split(" ").at(-1));
  }
  return sum;
}

proves("nothing of it all is left behind", async () => {
  const { gateway, old, sessions } = setup();
  const { brokerInternalUrls, routerInternalUrls } = gateway.local;
  for (const client of sessions) {
    assertEquals((await client.delete()).status, 204);
  }
  await eventually(async () => {
    assertEquals(await underWay(gateway), 0);
    for (const url of brokerInternalUrls) {
      const { streams } = await gateway.status(url);
      assertEquals(streams, { sessions: 0, listens: 0 });
    }
    for (
      const name of [
        "mcp_gateway_bridged_calls",
        "mcp_gateway_session_calls_bridged",
        "mcp_gateway_bridge_questions",
        "mcp_gateway_resource_watches",
      ]
    ) assertEquals([name, await gauge(brokerInternalUrls, name)], [name, 0]);
    assertEquals(
      await gauge(routerInternalUrls, "mcp_gateway_exchanges_active"),
      0,
    );
    const held = await gauge(brokerInternalUrls, "mcp_gateway_bridge_sessions");
    // One for each of those who are somebody, at each broker that they met.
    const most = brokerInternalUrls.length * CLIENTS / 2;
    assert(held <= most, `${held} sessions are held`);
    // And each broker's own.
    assertEquals(old.live, held + brokerInternalUrls.length);
  }, { deadlineMs: 60_000 });
});
