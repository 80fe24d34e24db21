/**
 * What of the answer of a server of the stateless era crosses to its client,
 * and what Envoy says in a server's place.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { ScriptedStream } from "../fixtures/scripted_server.ts";
import {
  rpcError,
  startStatelessRawServer,
} from "../fixtures/stateless_raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { StatelessClient } from "../support/stateless_client.ts";
import { within } from "../support/wait.ts";

const setup = shared(async (stack) => {
  const server = stack.use(startStatelessRawServer({ name: "new" }));
  const old = stack.use(startRawServer({ name: "old" }));
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "new", url: server.url, prefix: "new_", era: "stateless" },
        { name: "old", url: old.url, prefix: "old_" },
      ],
    }),
  );
  return { server, old, gateway, client: new StatelessClient(gateway.url) };
});

for (
  const [status, code] of [
    [404, -32601],
    [400, -32020],
    [400, -32021],
    [400, -32602],
    [500, -32603],
  ] as const
) {
  proves(`a server's ${status} with ${code} crosses as it is`, async () => {
    const { server, client } = setup();
    server.clear();
    server.script = (request) =>
      rpcError(request, status, code, "so says the server", {
        "mcp-session-id": "s",
        "set-cookie": "a=b",
      });
    const reply = await client.call("new_echo");
    assertEquals(reply.status, status);
    assertEquals(reply.message?.error, {
      code,
      message: "so says the server",
    });
    for (const name of ["mcp-session-id", "set-cookie"]) {
      assertEquals(reply.headers.get(name), null);
    }
    // Nothing was tried again, nothing asked besides.
    assertEquals(server.calls.length, 1);
  });
}

proves("a 404 of this era costs nobody a session", async () => {
  const { server, old, gateway, client } = setup();
  const inSession = await gateway.connect();
  assertEquals((await inSession.call("old_echo")).status, 200);
  server.clear();
  server.script = (request) => rpcError(request, 404, -32601, "unknown");
  const sessions = new Set(old.sessions);
  for (let i = 0; i < 3; i++) {
    const reply = await client.call("new_echo", {}, {
      headers: { "mcp-session-id": inSession.session ?? "" },
    });
    assertEquals(reply.status, 404);
  }
  assertEquals((await inSession.call("old_echo")).status, 200);
  assertEquals(new Set(old.sessions), sessions);
});

for (
  const { what, response } of [
    {
      what: "a challenge",
      response: () =>
        new Response('{"error":"invalid_token"}', {
          status: 401,
          headers: {
            "content-type": "application/json",
            "www-authenticate": "Bearer secret-realm",
          },
        }),
    },
    {
      what: "a 403",
      response: () => Response.json({ error: "secret-realm" }, { status: 403 }),
    },
    {
      what: "a redirect",
      response: () =>
        new Response(null, {
          status: 307,
          headers: { location: "http://secret-realm.example/" },
        }),
    },
    {
      what: "a page in HTML",
      response: () =>
        new Response("<html>secret-realm</html>", {
          headers: { "content-type": "text/html" },
        }),
    },
    {
      what: "a 404 in HTML",
      response: () =>
        new Response("<html>secret-realm</html>", {
          status: 404,
          headers: { "content-type": "text/html" },
        }),
    },
    {
      what: "an empty 202",
      response: () => new Response(null, { status: 202 }),
    },
  ]
) {
  proves(
    `${what} of a server becomes an error with the call's id`,
    async () => {
      const { server, client } = setup();
      server.clear();
      server.script = response;
      const reply = await client.call("new_echo");
      assertEquals(reply.status, 502, reply.text);
      assertEquals(reply.message?.error?.code, -32603);
      assertEquals(typeof reply.message?.id, "number");
      const all = reply.text + JSON.stringify([...reply.headers]);
      assert(!all.includes("secret-realm"), all);
    },
  );
}

proves("a result's bytes cross as they are, big integers too", async () => {
  const { server, client } = setup();
  server.clear();
  const text =
    '{ "jsonrpc":"2.0","id":9007199254740993, "result":{"resultType":"complete","structuredContent":{"b":9007199254740993,"a":1e400},"content":[]} }';
  server.script = () =>
    new Response(text, { headers: { "content-type": "application/json" } });
  const reply = await client.call("new_echo");
  assertEquals([reply.status, reply.text], [200, text]);
});

proves(
  "an event stream crosses chunk by chunk, as it is, ids that look routed too",
  async () => {
    const { server, client } = setup();
    server.clear();
    const stream = new ScriptedStream({ "x-accel-buffering": "no" });
    server.script = () => stream.response;
    const opening = client.open("tools/call", {
      name: "new_echo",
      arguments: {},
    });
    const told = {
      jsonrpc: "2.0",
      method: "notifications/progress",
      params: { progressToken: "mcpgw:aBcDeF12:new:7", progress: 1 },
    };
    stream.write(`: comment\n\nid: 7\ndata: ${JSON.stringify(told)}\n\n`);
    await using listener = await opening;
    assertEquals(await listener.next(), told);
    assertEquals(listener.lastEventId, "7");
    const result = {
      jsonrpc: "2.0",
      id: 1,
      result: { resultType: "complete" },
    };
    stream.write(`data: ${JSON.stringify(result)}\n\n`);
    assertEquals(await listener.next(), result);
    stream.end();
  },
);

proves("a client that leaves ends the call at its server", async () => {
  const { server, client } = setup();
  server.clear();
  const stream = new ScriptedStream();
  server.script = () => stream.response;
  const opening = client.open("tools/call", { name: "new_echo" });
  stream.write(": open\n\n");
  {
    await using _listener = await opening;
    assertEquals(server.calls.length, 1);
  }
  await within("end of the stream", stream.left);
});

proves(
  "a server that is not there is an error with the call's id, and the next call finds it again",
  async () => {
    const { server, client } = setup();
    server.clear();
    await server.stop();
    const reply = await client.call("new_echo");
    assertEquals([reply.status, reply.message?.error?.code], [502, -32603]);
    assertEquals(reply.message?.error?.data, { retryable: true });
    assertEquals(typeof reply.message?.id, "number");
    server.start();
    assertEquals((await client.call("new_echo")).status, 200);
  },
);

/** A server of plain sockets, which shows what becomes of its connections. */
function plainServer(
  onCall: (connection: Deno.TcpConn) => void,
): Disposable & { readonly url: string; readonly ended: Promise<void> } {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const ended = Promise.withResolvers<void>();
  const hear = async (connection: Deno.TcpConn) => {
    let text = "";
    const chunk = new Uint8Array(65_536);
    while (true) {
      const read = await connection.read(chunk).catch(() => null);
      if (read === null) break;
      const before = text.includes("tools/call");
      text += new TextDecoder().decode(chunk.subarray(0, read));
      if (!before && text.includes("tools/call")) onCall(connection);
    }
    if (text.includes("tools/call")) ended.resolve();
  };
  void (async () => {
    for await (const connection of listener) void hear(connection);
  })().catch(() => {});
  return {
    url: `http://127.0.0.1:${listener.addr.port}/mcp`,
    ended: ended.promise,
    [Symbol.dispose]: () => listener.close(),
  };
}

proves(
  "a client that leaves before there is an answer ends the call; a server that leaves is an error with the call's id, not to be retried",
  async () => {
    const got = Promise.withResolvers<void>();
    // Plain sockets: a server on Deno.serve sees a client leave only once its
    // answer has begun.
    using silent = plainServer(() => got.resolve());
    using rude = plainServer((connection) => connection.close());
    await using gateway = await startGateway({
      servers: [
        { name: "silent", url: silent.url, prefix: "s_", era: "stateless" },
        { name: "rude", url: rude.url, prefix: "r_", era: "stateless" },
      ],
      unready: ["silent", "rude"],
    });
    const client = new StatelessClient(gateway.url);
    const leaving = new AbortController();
    const call = client.call("s_echo", {}, { signal: leaving.signal })
      .then(() => "answered", () => "left");
    await within("the call", got.promise);
    leaving.abort();
    assertEquals(await call, "left");
    await within("end of the call", silent.ended);

    const reply = await client.call("r_echo");
    assertEquals([reply.status, reply.message?.error?.code], [502, -32603]);
    assertEquals(reply.message?.error?.data, undefined);
    assertEquals(typeof reply.message?.id, "number");
  },
);
