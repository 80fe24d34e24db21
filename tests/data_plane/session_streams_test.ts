/**
 * Streams of a session: what stands on which of them, who answers what is
 * asked there, and who waits for whom.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startEveryFeatureV1 } from "../fixtures/every_feature_v1.ts";
import { startRawServer } from "../fixtures/raw_server.ts";
import { ScriptedServer, ScriptedStream } from "../fixtures/scripted_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { eventually } from "../support/wait.ts";
import { answersTo, CALL, note, result, sessionWith } from "./_sessions.ts";

const MIB = 1024 * 1024;

const setup = shared(async (stack) => {
  const one = stack.use(startRawServer({ name: "one", logging: true }));
  const scripted = stack.use(new ScriptedServer("scripted"));
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "one", url: one.url, prefix: "one_" },
        { name: "scripted", url: scripted.url, prefix: "scripted_" },
      ],
    }),
  );
  return { one, scripted, gateway };
});

proves(
  "two GET streams of a session: each message stands on one of them, once",
  async () => {
    const { one, gateway } = setup();
    const client = await gateway.connect();
    await using first = await client.listen();
    await using second = await client.listen();
    const session = await sessionWith(client, one, "one");
    assertEquals(one.streamsOf(session), 1);
    const sent = Array.from({ length: 10 }, (_, n) => `m${n}`);
    for (const text of sent) one.tell(session, note(text));
    await using third = await client.listen();
    one.tell(session, note("last"));
    const heard: unknown[] = [];
    const read = async (listener: typeof first) => {
      for (;;) {
        const message = await listener.next().catch(() => undefined);
        if (message === undefined) return;
        heard.push((message.params as { data: unknown }).data);
      }
    };
    const reading = [first, second, third].map(read);
    await eventually(() => assertEquals(heard.length, 11));
    await client.delete();
    await Promise.all(reading);
    assertEquals(heard.sort(), [...sent, "last"].sort());
  },
);

proves(
  "progress of a call on the GET stream keeps the client's token, and reaches that client only",
  async () => {
    const { one, gateway } = setup();
    const [alice, bob] = [await gateway.connect(), await gateway.connect()];
    await using aliceHears = await alice.listen();
    await using bobHears = await bob.listen();
    const sessions = [
      await sessionWith(alice, one, "one"),
      await sessionWith(bob, one, "one"),
    ];
    for (const [n, session] of sessions.entries()) {
      one.tell(session, {
        jsonrpc: "2.0",
        method: "notifications/progress",
        params: { progressToken: "same", progress: n },
      });
      one.tell(session, note("end"));
    }
    for (const [n, listener] of [aliceHears, bobHears].entries()) {
      assertEquals((await listener.next()).params, {
        progressToken: "same",
        progress: n,
      });
      assertEquals((await listener.next()).params, note("end").params);
    }
  },
);

proves(
  "the log level of a client reaches no other client's session, now or later",
  async () => {
    const { one, gateway } = setup();
    const [alice, bob] = [await gateway.connect(), await gateway.connect()];
    const atAlice = await sessionWith(alice, one, "one");
    const atBob = await sessionWith(bob, one, "one");
    assertEquals(
      (await alice.request("logging/setLevel", { level: "error" })).status,
      200,
    );
    const carol = await gateway.connect();
    const atCarol = await sessionWith(carol, one, "one");
    const levels = (session: string) =>
      one.of("logging/setLevel").filter((r) => r.session === session).length;
    assertEquals([atAlice, atBob, atCarol].map(levels), [1, 0, 0]);
  },
);

for (const ids of ["id:\n", "id: \n", "id\n"]) {
  proves(
    `an event whose id is empty (${
      JSON.stringify(ids)
    }) arrives with its message, and as it is`,
    async () => {
      const { scripted, gateway } = setup();
      for (const capabilities of [{}, { elicitation: {} }]) {
        scripted.clear();
        const stream = new ScriptedStream();
        scripted.script = ({ rpc, id }) => {
          if (rpc !== "tools/call") return undefined;
          stream.write(`${ids}${result(id)}`);
          stream.end();
          return stream.response;
        };
        const client = await gateway.connect({ capabilities });
        const reply = await client.call("scripted_ask");
        assertEquals(reply.text, `${ids}${result("1")}`);
      }
    },
  );
}

// Both sides ping.

for (
  const { whom, capabilities } of [
    { whom: "who can be asked", capabilities: { elicitation: {} } },
    { whom: "who declared nothing", capabilities: {} },
  ]
) {
  proves(
    `a server that pings, or asks what it may not, is answered by a client ${whom}, early and late in a stream`,
    async () => {
      const { scripted, gateway } = setup();
      scripted.clear();
      const client = await gateway.connect({ capabilities });
      const stream = new ScriptedStream();
      scripted.script = ({ rpc }) =>
        rpc === "tools/call" ? stream.response : undefined;
      const ask = (id: string, method: string) =>
        stream.write(
          `data: ${JSON.stringify({ jsonrpc: "2.0", id, method })}\n\n`,
        );
      // Behind it a stream may flow on without the router.
      stream.write(`data: ${JSON.stringify(note("first"))}\n\n`);
      await using call = await client.open(CALL);
      await call.next();
      ask("p", "ping");
      ask("q", "roots/list");
      for (
        const outcome of [
          { result: {} },
          { error: { code: -32601, message: "Method not found" } },
        ]
      ) {
        const { id } = await call.next();
        const reply = await client.send({ jsonrpc: "2.0", id, ...outcome });
        assertEquals(reply.status, 202, reply.text);
      }
      await eventually(() =>
        assertEquals(answersTo(scripted), [
          { jsonrpc: "2.0", id: "p", result: {} },
          {
            jsonrpc: "2.0",
            id: "q",
            error: { code: -32601, message: "Method not found" },
          },
        ])
      );
      stream.write(result("5"));
      stream.end();
    },
  );
}

proves(
  "a client of 2025-03-26 answers what a server asks in a batch",
  async () => {
    const { scripted, gateway } = setup();
    scripted.clear();
    const client = await gateway.connect({
      revision: "2025-03-26",
      capabilities: { sampling: {}, roots: {} },
    });
    const stream = new ScriptedStream();
    scripted.script = ({ rpc }) =>
      rpc === "tools/call" ? stream.response : undefined;
    for (const id of [1, 2]) {
      stream.write(
        `data: {"jsonrpc":"2.0","id":${id},"method":"roots/list"}\n\n`,
      );
    }
    await using call = await client.open(CALL);
    const answers = [await call.next(), await call.next()].map(({ id }, n) => ({
      jsonrpc: "2.0",
      id,
      result: { roots: [], n },
    }));
    const reply = await client.send(answers);
    assertEquals([reply.status, reply.text], [202, ""]);
    await eventually(() =>
      assertEquals(
        answersTo(scripted),
        answers.map((answer, n) => ({ ...answer, id: n + 1 })),
      )
    );
    stream.write(result("5"));
    stream.end();
  },
);

proves(
  "a call's stream that its client does not read holds its server up, and costs nobody else",
  async () => {
    const { scripted, one, gateway } = setup();
    for (const capabilities of [{}, { elicitation: {} }]) {
      scripted.clear();
      const event = new TextEncoder().encode(
        `data: ${JSON.stringify(note("x".repeat(60_000)))}\n\n`,
      );
      let sent = 0;
      let left = false;
      scripted.script = ({ rpc }) =>
        rpc === "tools/call"
          ? new Response(
            new ReadableStream({
              pull(controller) {
                sent += event.length;
                controller.enqueue(event);
              },
              cancel() {
                left = true;
              },
            }, { highWaterMark: 0 }),
            { headers: { "content-type": "text/event-stream" } },
          )
          : undefined;
      const client = await gateway.connect({ capabilities });
      await using _call = await client.open(CALL);
      let before = -1;
      await eventually(() => {
        const now = sent;
        assert(now < 64 * MIB, `${now} bytes are on their way`);
        assert(
          now > 0 && now === before || ((before = now), false),
          "it still flows",
        );
      }, { intervalMs: 500 });
      assertEquals((await client.call("one_echo")).status, 200);
      assertEquals(
        (await (await gateway.connect()).call("one_echo")).status,
        200,
      );
      await _call[Symbol.asyncDispose]();
      await eventually(() => assert(left, "the server still sends"));
    }
    assert(one.requests.length > 0);
  },
);

proves(
  "a client that is subscribed hears of changes after its server lost the session, as often as before",
  async () => {
    await using server = startEveryFeatureV1();
    await using gateway = await startGateway({
      servers: [{ name: "talker", url: server.url }],
    });
    const client = await gateway.connect();
    await using listener = await client.listen();
    const uri = "feature://watched";
    const method = "notifications/resources/updated";
    const subscribed = await client.request("resources/subscribe", { uri });
    assertEquals(subscribed.message?.result, {});
    const touch = async () => {
      const reply = await client.call("touch", { uri });
      assertEquals(reply.message?.result?.isError, undefined, reply.text);
    };
    // The server's own word has a title; the gateway's has none.
    const heard = async (): Promise<boolean> => {
      const { params } = await listener.nextOf(method);
      return (params as { readonly title?: string }).title === "changed" ||
        await heard();
    };
    await touch();
    assert(await heard());

    await server.forgetSessions();
    for (let n = 0; n < 3; n++) {
      await touch();
      assert(await heard());
    }
    const left = await client.request("resources/unsubscribe", { uri });
    assertEquals(left.message?.result, {});
    await server.forgetSessions();
    await touch();
    const last = "notifications/vendor/last";
    await client.call("notify", {
      notifications: [{ stream: "session", method: last }],
    });
    assertEquals((await listener.next()).method, last);
  },
);
