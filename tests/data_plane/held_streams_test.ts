/**
 * What servers send outside of any call reaches the client whose session it
 * is for, on one stream, once, and what clients send that names no server
 * reaches those that it concerns.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
// @ts-types="@modelcontextprotocol/sdk/server/mcp"
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { LoggingMessageNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { serveSessions } from "../../shared/local/samples/session_server.ts";
import { type RawServer, startRawServer } from "../fixtures/raw_server.ts";
import { bearer } from "../support/bearer.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import type { RawListener, RpcMessage } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";
import { note, sessionWith } from "./_sessions.ts";

const setup = shared(async (stack) => {
  const one = stack.use(startRawServer({ name: "one", logging: true }));
  const two = stack.use(startRawServer({ name: "two" }));
  const own = stack.use(startRawServer({ name: "own" }));
  const sdk = stack.use(serveSessions({ create: talkative }));
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "one", url: one.url, prefix: "one_" },
        { name: "two", url: two.url, prefix: "two_" },
        { name: "own", url: own.url, prefix: "own_", passthrough: true },
        { name: "sdk", url: sdk.url, prefix: "sdk_" },
      ],
    }),
  );
  return { one, two, own, gateway };
});

/** A server on the SDK that has something to say after each call. */
function talkative(): McpServer {
  const server = new McpServer(
    { name: "talkative", version: "1.0.0" },
    { capabilities: { logging: {} } },
  );
  server.registerTool("later", { description: "Says so later" }, () => {
    server.server.sendLoggingMessage({ level: "warning", data: "later" })
      .catch(() => {});
    return { content: [] };
  });
  return server;
}

async function metricsOf({ local }: TestGateway): Promise<string> {
  const response = await fetch(new URL("/metrics", local.brokerInternalUrl));
  return await response.text();
}

function textOf({ params }: RpcMessage): unknown {
  return (params as { readonly data: unknown }).data;
}

function bodies(server: RawServer, session: string): string[] {
  return server.requests.filter((request) =>
    request.session === session && request.method === "POST"
  ).map(({ body }) => new TextDecoder().decode(body));
}

proves(
  "what a server sends outside of calls reaches the client whose session it is, and nobody else",
  async () => {
    const { one, two, gateway } = setup();
    const [alice, bob] = [await gateway.connect(), await gateway.connect()];
    await using aliceHears = await alice.listen();
    await using bobHears = await bob.listen();
    const aliceAtOne = await sessionWith(alice, one, "one");
    const bobAtOne = await sessionWith(bob, one, "one");
    const bobAtTwo = await sessionWith(bob, two, "two");
    // Each is open before the call that opened the session is answered.
    assertEquals(one.tell(aliceAtOne, note("one to alice")), 1);
    assertEquals(one.tell(bobAtOne, note("one to bob")), 1);
    assertEquals(textOf(await bobHears.next()), "one to bob");
    assertEquals(two.tell(bobAtTwo, note("two to bob")), 1);
    assertEquals(textOf(await bobHears.next()), "two to bob");
    assertEquals(textOf(await aliceHears.next()), "one to alice");
    one.tell(aliceAtOne, note("the next"));
    assertEquals(textOf(await aliceHears.next()), "the next");
  },
);

proves(
  "a server's stream is open before it gets the first call, so that nothing is lost",
  async () => {
    const { one, gateway } = setup();
    const client = await gateway.connect();
    await using _listener = await client.listen();
    const session = await sessionWith(client, one, "one");
    const order = one.requests.filter((request) => request.session === session)
      .map(({ method, rpc }) => rpc || method);
    assertEquals(order.filter((what) => what !== "notifications/initialized"), [
      "GET",
      "tools/call",
    ]);
  },
);

proves(
  "a client that listens after it called hears its servers all the same",
  async () => {
    const { one, gateway } = setup();
    const client = await gateway.connect();
    const session = await sessionWith(client, one, "one");
    assertEquals(one.streamsOf(session), 0);
    await using listener = await client.listen();
    assertEquals(one.tell(session, note("here")), 1);
    assertEquals(textOf(await listener.next()), "here");
  },
);

proves(
  "the answer to what a server asks on its stream finds its way back",
  async () => {
    const { one, two, gateway } = setup();
    const client = await gateway.connect({ capabilities: { roots: {} } });
    await using listener = await client.listen();
    const atOne = await sessionWith(client, one, "one");
    const atTwo = await sessionWith(client, two, "two");
    const ask = { jsonrpc: "2.0", id: 1, method: "roots/list" };
    one.tell(atOne, ask);
    const first = await listener.next();
    two.tell(atTwo, ask);
    const second = await listener.next();
    assert(first.id !== second.id);
    const answer = (id: unknown, uri: string) => ({
      jsonrpc: "2.0",
      id,
      result: { roots: [{ uri }] },
    });
    for (
      const [id, uri] of [[second.id, "file:///two"], [first.id, "file:///one"]]
    ) {
      const reply = await client.send(answer(id, String(uri)));
      assertEquals([reply.status, reply.text], [202, ""]);
    }
    await eventually(() => {
      assertEquals(
        bodies(one, atOne).at(-1),
        JSON.stringify(answer(1, "file:///one")),
      );
      assertEquals(
        bodies(two, atTwo).at(-1),
        JSON.stringify(answer(1, "file:///two")),
      );
    });
  },
);

proves(
  "a client hears once that a list has changed, however many servers' streams say so",
  async () => {
    const { two, gateway } = setup();
    const [alice, bob] = [await gateway.connect(), await gateway.connect()];
    await using hears = await alice.listen();
    await using _listener = await bob.listen();
    const session = await sessionWith(alice, two, "two");
    await sessionWith(bob, two, "two");
    const tools = [{ name: "echo" }, { name: `x${crypto.randomUUID()}` }];
    const told = two.changeTools([tools]);
    assert(told >= 3, `${told} streams: two clients' and the broker's`);
    const changed = await hears.next();
    assertEquals(changed.method, "notifications/tools/list_changed");
    two.tell(session, note("behind it"));
    assertEquals(textOf(await hears.next()), "behind it");
  },
);

proves(
  "a client that lost its connection gets what it missed, once and in order",
  async () => {
    const { one, gateway } = setup();
    const client = await gateway.connect();
    const first = await client.listen();
    const session = await sessionWith(client, one, "one");
    for (const text of ["1", "2", "3"]) one.tell(session, note(text));
    assertEquals(textOf(await first.next()), "1");
    const seen = first.lastEventId!;
    assertMatch(seen, /^[0-9a-f]+-\d+-1-[\w-]{10}$/);
    await first[Symbol.asyncDispose]();
    await eventually(async () => {
      const text = await (await fetch(
        new URL("/metrics", gateway.local.brokerInternalUrl),
      )).text();
      assertMatch(text, /mcp_gateway_client_streams_waiting [1-9]/);
    });
    one.tell(session, note("4"));
    // Not lost either: the stream of the server is held meanwhile.
    assertEquals(one.streamsOf(session), 1);
    const headers = { "last-event-id": seen };
    await using again = await client.listen({ headers });
    one.tell(session, note("5"));
    for (const text of ["2", "3", "4", "5"]) {
      assertEquals(textOf(await again.next()), text);
    }
    const other = await gateway.connect();
    const otherSession = await sessionWith(other, one, "one");
    await using stranger = await other.listen({ headers });
    one.tell(otherSession, note("its own"));
    assertEquals(textOf(await stranger.next()), "its own");
  },
);

for (const revision of ["2025-11-25", "2025-06-18", "2025-03-26"]) {
  proves(
    `a stream to a client of ${revision} can be taken up again from its first event on`,
    async () => {
      const { one, gateway } = setup();
      const client = await gateway.connect({ revision });
      await using listener = await client.listen();
      const session = await sessionWith(client, one, "one");
      const next = listener.next();
      // Those of earlier revisions would choke on an event without a message.
      if (revision === "2025-11-25") {
        await eventually(() =>
          assertMatch(listener.lastEventId ?? "", /^[0-9a-f]+-\d+-0-[\w-]{10}$/)
        );
      }
      one.tell(session, note("1"));
      assertEquals(textOf(await next), "1");
      assertMatch(listener.lastEventId ?? "", /^[0-9a-f]+-\d+-1-[\w-]{10}$/);
    },
  );
}

proves(
  "a client that does not read is closed, and gets all of it when it comes back",
  async () => {
    await using server = startRawServer();
    await using gateway = await startGateway({
      servers: [{ name: "raw", url: server.url }],
    });
    const client = await gateway.connect();
    await using slow = await client.listen();
    await client.call("echo");
    const { session } = server.of("tools/call").at(-1)!;
    const metric = async (name: string) =>
      Number(
        new RegExp(`^mcp_gateway_${name} (\\d+)$`, "m")
          .exec(await metricsOf(gateway))?.[1],
      );
    let sent = 0;
    while (await metric("client_streams_waiting") === 0) {
      assert(sent < 20_000, "nobody closes it");
      for (let i = 0; i < 20; i++) {
        server.tell(session, note(`${++sent} ${"x".repeat(4_000)}`));
      }
      // No more on its way than the broker keeps for who comes back.
      await eventually(async () => {
        const passed = await metric("client_stream_messages_total");
        assert(passed >= sent, `${passed} of ${sent}`);
      });
    }
    let got = 0;
    const read = async (listener: RawListener, until: () => boolean) => {
      while (!until()) {
        const number = parseInt(String(textOf(await listener.next())));
        assertEquals(number, ++got);
      }
    };
    const error = await read(slow, () => false).catch((error) => error);
    assertMatch(String(error), /reading a body/);
    assert(got < sent, `${got} of ${sent}`);
    const headers = { "last-event-id": slow.lastEventId! };
    await using again = await client.listen({ headers });
    await read(again, () => got === sent);
  },
);

proves(
  "a server's stream that ends is opened again behind its last event",
  async () => {
    const { one, gateway } = setup();
    const client = await gateway.connect();
    await using listener = await client.listen();
    const session = await sessionWith(client, one, "one");
    one.tell(session, note("1"), "event-1");
    assertEquals(textOf(await listener.next()), "1");
    one.endStreams(session);
    await eventually(() => assertEquals(one.streamsOf(session), 1));
    const [last] = one.requests.filter((request) =>
      request.method === "GET" && request.session === session
    ).slice(-1);
    assertEquals(
      new Headers([...last!.headers] as [string, string][]).get(
        "last-event-id",
      ),
      "event-1",
    );
    one.tell(session, note("2"));
    assertEquals(textOf(await listener.next()), "2");
  },
);

proves(
  "a server without a stream costs nobody anything, and is asked once",
  async () => {
    const { one, two, gateway } = setup();
    two.faults.set("GET", { kind: "status", status: 405 });
    try {
      const client = await gateway.connect();
      await using listener = await client.listen();
      const atTwo = await sessionWith(client, two, "two");
      const atOne = await sessionWith(client, one, "one");
      one.tell(atOne, note("here"));
      assertEquals(textOf(await listener.next()), "here");
      await sessionWith(client, two, "two");
      const asked = two.requests.filter((request) =>
        request.method === "GET" && request.session === atTwo
      );
      assertEquals(asked.length, 1);
    } finally {
      two.recover();
    }
  },
);

proves(
  "DELETE ends the client's stream and the servers' streams with it",
  async () => {
    const { one, gateway } = setup();
    const client = await gateway.connect();
    await using listener = await client.listen();
    const session = await sessionWith(client, one, "one");
    assertEquals(one.streamsOf(session), 1);
    assertEquals((await client.delete()).status, 204);
    let ended = false;
    await listener.next().catch(() => ended = true);
    assert(ended);
    await eventually(() => assertEquals(one.streamsOf(session), 0));
  },
);

proves(
  "a credential of the client reaches only the streams of servers that get to see it",
  async () => {
    const { one, own, gateway } = setup();
    const headers = bearer("carol");
    const client = await gateway.connect({ headers });
    await using _listener = await client.listen();
    const atOne = await sessionWith(client, one, "one");
    const atOwn = await sessionWith(client, own, "own");
    const seen = (server: RawServer, session: string) =>
      server.requests.filter((request) =>
        request.method === "GET" && request.session === session
      ).map(({ headers }) =>
        headers.find(([name]) => name === "authorization")?.[1]
      );
    assertEquals(seen(own, atOwn), [headers["authorization"]]);
    assertEquals(seen(one, atOne), [undefined]);
  },
);

proves(
  "notifications that name no server reach every server of the session, and no other session",
  async () => {
    const { one, two, gateway } = setup();
    const [alice, bob] = [await gateway.connect(), await gateway.connect()];
    const atOne = await sessionWith(alice, one, "one");
    const atTwo = await sessionWith(alice, two, "two");
    const bobAtOne = await sessionWith(bob, one, "one");
    const sent = [
      '{"jsonrpc":"2.0", "method":"notifications/roots/list_changed"}',
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"unknown","x":1.0}}',
      '{"jsonrpc":"2.0","method":"notifications/of/tomorrow","params":{"a":[1e400]}}',
    ];
    for (const text of sent) {
      assertEquals((await alice.send(text)).status, 202);
    }
    // A cancellation may be there before what was sent earlier.
    await eventually(() => {
      const last = (server: RawServer, session: string) =>
        bodies(server, session).slice(-3).toSorted();
      assertEquals(last(one, atOne), sent.toSorted());
      assertEquals(last(two, atTwo), sent.toSorted());
    });
    const initialized = bodies(one, atOne).filter((body) =>
      body.includes("notifications/initialized")
    );
    assertEquals(initialized.length, 1);
    for (const text of sent) assert(!bodies(one, bobAtOne).includes(text));
  },
);

proves(
  "a cancellation waits for nothing that its server is slow to take",
  async () => {
    const { two, gateway } = setup();
    const client = await gateway.connect();
    const session = await sessionWith(client, two, "two");
    const notification = (method: string) =>
      JSON.stringify({ jsonrpc: "2.0", method });
    const slow = "notifications/of/slowness";
    two.faults.set(slow, { kind: "hang" });
    const [first, behind, stop] = [
      notification(slow),
      notification("notifications/behind/it"),
      '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"unknown"}}',
    ];
    for (const text of [first, behind, stop]) {
      assertEquals((await client.send(text)).status, 202);
    }
    await eventually(() => assertEquals(bodies(two, session).at(-1), stop));
    assertEquals(bodies(two, session).slice(-2), [first, stop]);
    // The one behind it comes when the slow one has had its time.
    await eventually(() => assertEquals(bodies(two, session).at(-1), behind));
    two.faults.delete(slow);
  },
);

proves(
  "the level of log messages reaches servers that have some, before the client's next call",
  async () => {
    const { one, two, gateway } = setup();
    const client = await gateway.connect();
    const atOne = await sessionWith(client, one, "one");
    const atTwo = await sessionWith(client, two, "two");
    const reply = await client.request("logging/setLevel", { level: "error" });
    assertEquals(reply.message?.result, {});
    const levels = (server: RawServer, session: string) =>
      bodies(server, session).filter((body) =>
        body.includes("logging/setLevel")
      )
        .map((body) => JSON.parse(body).params.level);
    assertEquals([levels(one, atOne), levels(two, atTwo)], [["error"], []]);
    const wrong = await client.request("logging/setLevel", { level: "loud" });
    assertEquals(wrong.message?.error?.code, -32602);
  },
);

proves(
  "an SDK's client hears an SDK's server outside of its calls",
  async () => {
    const { gateway } = setup();
    const client = new Client({ name: "listener", version: "1.0.0" });
    const heard: unknown[] = [];
    client.setNotificationHandler(
      LoggingMessageNotificationSchema,
      ({ params }: { params: { data?: unknown } }) => {
        heard.push(params.data);
      },
    );
    const transport = new StreamableHTTPClientTransport(new URL(gateway.url));
    // deno-lint-ignore no-explicit-any -- the SDK's types are not exact about undefined
    await client.connect(transport as any);
    try {
      await client.callTool({ name: "sdk_later", arguments: {} });
      await eventually(() => assertEquals(heard, ["later"]));
      await client.callTool({ name: "sdk_later", arguments: {} });
      await eventually(() => assertEquals(heard, ["later", "later"]));
    } finally {
      await client.close();
    }
  },
);
