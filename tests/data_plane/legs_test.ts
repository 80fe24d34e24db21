/**
 * Each leg has manners of its own: the revision, the media types and the
 * lifecycle of a client's session are not those of its sessions with servers.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { ScriptedServer, ScriptedStream } from "../fixtures/scripted_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";
import { CALL, INITIALIZE, note, result, sessionWith } from "./_sessions.ts";

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

// Revisions.

const SPOKEN = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
for (const revision of ["2025-11-25", "2025-06-18", "2025-03-26"]) {
  proves(
    `a client of ${revision} and servers that speak one revision each: every leg names its own`,
    async () => {
      await using stack = new AsyncDisposableStack();
      const servers = SPOKEN.map((spoken) => ({
        spoken,
        server: stack.use(startRawServer({ revision: spoken })),
      }));
      await using gateway = await startGateway({
        servers: servers.map(({ spoken, server }) => ({
          name: spoken,
          url: server.url,
          prefix: `${spoken}_`,
        })),
      });
      const client = new RawClient(gateway.url, { revision });
      const { message } = await client.initialize();
      assertEquals(message?.result?.protocolVersion, revision);
      await using listener = await client.listen();
      for (const { spoken, server } of servers) {
        const session = await sessionWith(client, server, spoken);
        const requests = server.requests.filter((one) =>
          one.session === session
        );
        assertEquals(
          requests.map(({ rpc, method }) => rpc || method),
          ["notifications/initialized", "GET", "tools/call"],
        );
        for (const { headers } of requests) {
          assertEquals(
            headers.filter(([name]) => name === "mcp-protocol-version"),
            [["mcp-protocol-version", spoken]],
          );
        }
        server.tell(session, note(spoken));
        assertEquals((await listener.next()).params, note(spoken).params);
      }
    },
  );
}

for (
  const { revision, primed } of [
    { revision: "2025-11-25", primed: true },
    { revision: "2025-06-18", primed: false },
    { revision: "2025-03-26", primed: false },
  ]
) {
  proves(
    `a server's event without a message ${
      primed ? "reaches" : "does not reach"
    } a client of ${revision}`,
    async () => {
      const { scripted, gateway } = setup();
      scripted.clear();
      scripted.script = ({ rpc, id }) => {
        if (rpc !== "tools/call") return undefined;
        const stream = new ScriptedStream();
        stream.write(`id: 1/0\nretry: 50\ndata: \n\n`);
        stream.write(`id: 1/1\n${result(id)}`);
        stream.end();
        return stream.response;
      };
      const client = await gateway.connect({ revision });
      const reply = await client.call("scripted_ask");
      assertEquals(/^data: ?$/m.test(reply.text), primed, reply.text);
      assertMatch(reply.text, /^id: mcpgw:\S+\ndata: ./m);
    },
  );
}

// Media types.

const ACCEPTS: readonly {
  readonly accept: string | null;
  readonly status: number;
}[] = [
  { accept: "application/json, text/event-stream", status: 200 },
  { accept: "text/event-stream;q=0.5,application/json;q=0.9", status: 200 },
  { accept: "*/*", status: 200 },
  { accept: null, status: 200 },
  { accept: "application/json", status: 406 },
  { accept: "text/event-stream", status: 406 },
  { accept: "text/html", status: 406 },
];
for (const { accept, status } of ACCEPTS) {
  proves(
    `a POST that accepts ${
      accept ?? "it does not say what"
    } is answered ${status} by broker and router alike`,
    async () => {
      const { one, gateway } = setup();
      const client = await gateway.connect();
      await client.call("one_echo");
      one.clear();
      const headers = { accept };
      for (
        const reply of [
          await client.request("tools/list", {}, { headers }),
          await client.call("one_echo", {}, { headers }),
        ]
      ) {
        assertEquals(reply.status, status, reply.text);
        assertEquals(reply.message?.error === undefined, status === 200);
      }
      // What a server may answer with is nothing that a client leaves open.
      for (const { headers } of one.of("tools/call")) {
        const accepted = headers.find(([name]) => name === "accept")?.[1];
        assertMatch(accepted ?? "", /application\/json/);
        assertMatch(accepted ?? "", /text\/event-stream/);
      }
    },
  );
}

// The lifecycle.

proves(
  "initialize with a session id opens another session, and ends none",
  async () => {
    const { one, gateway } = setup();
    const client = await gateway.connect();
    const before = await sessionWith(client, one, "one");
    for (const session of [client.session!, "chosen-by-the-client"]) {
      const reply = await client.send(INITIALIZE, {
        headers: { "mcp-session-id": session },
      });
      assertEquals(reply.status, 200, reply.text);
      assertEquals(reply.message?.id, "again");
      const minted = reply.headers.get("mcp-session-id");
      assert(minted !== null && minted !== session, "a session was reused");
      const other = new RawClient(gateway.url);
      other.session = minted;
      assert(await sessionWith(other, one, "one") !== before);
    }
    assertEquals(await sessionWith(client, one, "one"), before);
  },
);

proves(
  "requests are served before notifications/initialized came",
  async () => {
    const { one, gateway } = setup();
    const client = new RawClient(gateway.url);
    client.session = (await client.send(INITIALIZE)).headers.get(
      "mcp-session-id",
    )!;
    assertEquals((await client.request("ping")).message?.result, {});
    const level = await client.request("logging/setLevel", { level: "info" });
    assertEquals(level.message?.result, {});
    const session = await sessionWith(client, one, "one");
    // The server's own lifecycle is kept all the same.
    assertEquals(
      one.requests.filter((request) => request.session === session)
        .map(({ rpc }) => rpc),
      ["notifications/initialized", "logging/setLevel", "tools/call"],
    );
  },
);

for (const method of ["GET", "DELETE"]) {
  proves(
    `a ${method} whose MCP-Protocol-Version is unsupported is 400, and changes nothing`,
    async () => {
      const { gateway } = setup();
      const client = await gateway.connect();
      const headers = { "mcp-protocol-version": "2023-01-01" };
      const reply = method === "GET"
        ? await client.get({ headers })
        : await client.delete({ headers });
      assertEquals([reply.status, reply.message?.error?.code], [400, -32600]);
      assertEquals((await client.request("ping")).status, 200);
    },
  );
}

proves(
  "DELETE while a call is in flight: the call may end, the session is over",
  async () => {
    const { scripted, gateway } = setup();
    scripted.clear();
    const client = await gateway.connect();
    const stream = new ScriptedStream();
    scripted.script = ({ rpc }) =>
      rpc === "tools/call" ? stream.response : undefined;
    stream.write(
      `data: {"jsonrpc":"2.0","method":"notifications/message","params":{}}\n\n`,
    );
    await using call = await client.open(CALL);
    await call.next();
    assertEquals((await client.delete()).status, 204);
    await eventually(() => assertEquals(scripted.of("DELETE").length, 1));
    stream.write(result("5"));
    stream.end();
    assertEquals((await call.next()).id, 5);
    assertEquals((await client.call("scripted_ask")).status, 404);
  },
);

proves(
  "a call that its server refuses after DELETE opens no session anew",
  async () => {
    const { scripted, gateway } = setup();
    scripted.clear();
    const client = await gateway.connect();
    await client.call("scripted_ask");
    const answer = Promise.withResolvers<Response>();
    const got = Promise.withResolvers<void>();
    scripted.script = ({ rpc }) => {
      if (rpc !== "tools/call") return undefined;
      got.resolve();
      return answer.promise;
    };
    const call = client.call("scripted_ask");
    await got.promise;
    scripted.script = () => undefined;
    assertEquals((await client.delete()).status, 204);
    const opened = scripted.of("initialize").length;
    answer.resolve(new Response(null, { status: 404 }));
    const { status, text } = await call;
    assertEquals(status, 404, text);
    assertEquals(scripted.of("initialize").length, opened);
  },
);
