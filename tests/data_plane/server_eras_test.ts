/**
 * Servers of either era behind one gateway: found out, listed to clients of
 * either era, called, told apart in `/status`, and noticed when a server of the
 * other era stands where there was one of this.
 *
 * @module
 */

import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertStringIncludes,
} from "@std/assert";
import { startNotesServer } from "../../shared/local/samples/notes.ts";
import { startTripsServer } from "../../shared/local/samples/trips.ts";
import {
  startStatelessRawServer,
  type StatelessRequest,
} from "../fixtures/stateless_raw_server.ts";
import { bearer } from "../support/bearer.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { eventually } from "../support/wait.ts";

const ALICE = bearer("alice");
const BOB = bearer("bob");

const property = (type: string, header: string) => ({
  inputSchema: {
    type: "object",
    properties: { region: { type, "x-mcp-header": header } },
  },
});

const setup = shared(async (stack) => {
  const trips = stack.use(startTripsServer());
  const notes = stack.use(startNotesServer());
  const odd = stack.use(startStatelessRawServer({
    name: "odd",
    tools: [
      { name: "mirrored", ...property("string", "Region") },
      { name: "wrong", ...property("number", "Region") },
    ],
  }));
  const own = stack.use(startStatelessRawServer({ name: "own" }));
  own.script = (request) => ofCaller(request);
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "trips", url: trips.url, prefix: "trips_" },
        { name: "notes", url: notes.url, prefix: "notes_" },
        { name: "odd", url: odd.url, prefix: "odd_" },
        {
          name: "own",
          url: own.url,
          prefix: "own_",
          userSpecificList: true,
          passthrough: true,
        },
      ],
    }),
  );
  return { gateway, trips, notes, odd, own };
});

/** Nobody is told anything but who says who it is. */
function ofCaller(
  { rpc, id, headers }: StatelessRequest,
): Response | undefined {
  const who = headers.get("authorization");
  if (who === null) return new Response(null, { status: 401 });
  if (rpc !== "tools/list") return undefined;
  const name = who === ALICE.authorization ? "of_alice" : "of_bob";
  return Response.json({
    jsonrpc: "2.0",
    id: JSON.parse(id),
    result: { tools: [{ name, inputSchema: { type: "object" } }] },
  });
}

async function namesOf(client: StatelessClient): Promise<string[]> {
  const { message, text } = await client.request("tools/list");
  const result = message?.result as { tools: { name: string }[] } | undefined;
  assert(result !== undefined, text);
  return result.tools.map(({ name }) => name);
}

async function statusOf(gateway: TestGateway, server: string) {
  const { servers } = await gateway.status();
  const found = servers.find(({ name }) => name === server);
  assert(found !== undefined, `no server ${server}`);
  return found;
}

proves("each server's era and revision are found out and shown", async () => {
  const { gateway } = setup();
  const { servers } = await gateway.status();
  assertEquals(
    servers.slice(0, 3).map(({ name, state, era, revision }) => ({
      name,
      state,
      era,
      revision,
    })),
    [
      {
        name: "trips",
        state: "ready",
        era: "stateless",
        revision: "2026-07-28",
      },
      { name: "notes", state: "ready", era: "session", revision: "2025-11-25" },
      { name: "odd", state: "ready", era: "stateless", revision: "2026-07-28" },
    ],
  );
  const { serverInfo } = await statusOf(gateway, "trips");
  assertEquals(serverInfo, { name: "trips", version: "1.0.0" });
});

const ALL = [
  "trips_search",
  "trips_book",
  "trips_begin_sale",
  "notes_add",
  "notes_list",
  "notes_search",
  "odd_mirrored",
];

proves("clients of either era see the tools of servers of both", async () => {
  const { gateway } = setup();
  const old = await gateway.connect();
  assertArrayIncludes(await old.toolNames(), ALL);
  assertArrayIncludes(await namesOf(new StatelessClient(gateway.url)), ALL);
});

proves(
  "a stateless server's tool whose x-mcp-header is not valid is left out, and the status says why",
  async () => {
    const { gateway } = setup();
    const old = await gateway.connect();
    assert(!(await old.toolNames()).includes("odd_wrong"));
    const { problems } = await statusOf(gateway, "odd");
    assertStringIncludes(problems.join("\n"), 'tool "wrong": x-mcp-header');
  },
);

proves(
  "the router holds mirrored arguments against the call before the server sees it",
  async () => {
    const { gateway, odd } = setup();
    const client = new StatelessClient(gateway.url);
    odd.clear();
    const call = (region: string | undefined) =>
      client.call("odd_mirrored", { region: "eu" }, {
        headers: region === undefined ? {} : { "mcp-param-region": region },
      });
    await eventually(async () => {
      for (const region of [undefined, "us"]) {
        const refused = await call(region);
        assertEquals(refused.status, 400, refused.text);
        assertEquals(refused.message?.error?.code, -32020);
      }
    });
    odd.clear();
    assertEquals((await call("eu")).status, 200);
    assertEquals(
      odd.of("tools/call").map(({ headers }) =>
        headers.get("mcp-param-region")
      ),
      ["eu"],
    );
  },
);

proves(
  "a stateless server that lists by caller shows each caller its own tools",
  async () => {
    const { gateway } = setup();
    for (const [who, name] of [[ALICE, "of_alice"], [BOB, "of_bob"]] as const) {
      const old = await gateway.connect({ headers: who });
      const own = (await old.toolNames()).filter((one) =>
        one.startsWith("own_")
      );
      assertEquals(own, [`own_${name}`]);
      const client = new StatelessClient(gateway.url, { headers: who });
      assertEquals(
        (await namesOf(client)).filter((one) => one.startsWith("own_")),
        [`own_${name}`],
      );
    }
    // Its callers have found out what it does not tell the gateway.
    assertEquals((await statusOf(gateway, "own")).era, "stateless");
  },
);

proves(
  "a server of the other era in a server's place is noticed, and called as such",
  async () => {
    let trips = startTripsServer();
    const port = Number(new URL(trips.url).port);
    await using gateway = await startGateway({
      servers: [{ name: "swap", url: trips.url, prefix: "swap_" }],
    });
    const client = new StatelessClient(gateway.url);
    const isNow = (era: string, tool: string, args: object) =>
      eventually(async () => {
        const status = await statusOf(gateway, "swap");
        assertEquals([status.state, status.era], ["ready", era]);
        assertArrayIncludes(await namesOf(client), [tool]);
        const { region } = args as { region?: string };
        const headers: Record<string, string> = region === undefined
          ? {}
          : { "mcp-param-region": region };
        const reply = await client.call(tool, args, { headers });
        assertEquals(reply.status, 200, reply.text);
        assert(reply.message?.error === undefined, reply.text);
      });
    await isNow("stateless", "swap_search", { region: "asia" });
    await trips[Symbol.asyncDispose]();
    {
      await using _notes = startNotesServer({ port });
      await isNow("session", "swap_list", {});
    }
    trips = startTripsServer({ port });
    await isNow("stateless", "swap_search", { region: "asia" });
    await trips[Symbol.asyncDispose]();
  },
);
