/**
 * What never crosses the gateway, in either direction.
 *
 * @module
 */

import { once } from "node:events";
import http2 from "node:http2";
import { assert, assertEquals } from "@std/assert";
import { startRawServer } from "../fixtures/raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves } from "../support/proves.ts";
import { eventually } from "../support/wait.ts";

/** A server whose answers to calls are scripted, headers and all. */
function startScripted() {
  let answer = (): Response => new Response(null, { status: 500 });
  const listener = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const text = await request.text();
      const message = text === "" ? {} : JSON.parse(text);
      const reply = (result: object, headers: HeadersInit = {}) =>
        Response.json({ jsonrpc: "2.0", id: message.id, result }, { headers });
      switch (message.method) {
        case "initialize":
          return reply({
            protocolVersion: "2025-11-25",
            capabilities: { tools: {} },
            serverInfo: { name: "scripted", version: "1" },
          }, { "mcp-session-id": crypto.randomUUID() });
        case "tools/list":
          return reply({
            tools: [{ name: "t", inputSchema: { type: "object" } }],
          });
        case "tools/call":
          return answer();
        default:
          return new Response(null, {
            status: request.method === "GET" ? 405 : 202,
          });
      }
    },
  );
  return {
    url: `http://127.0.0.1:${listener.addr.port}/mcp`,
    answers(next: () => Response) {
      answer = next;
    },
    [Symbol.asyncDispose]: () => listener.shutdown(),
  };
}

proves(
  "a redirect, a challenge, a foreign status or header of a server never reaches a client",
  async () => {
    let stolen = 0;
    await using thief = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => {
        stolen++;
        return new Response();
      },
    );
    await using server = startScripted();
    await using gateway = await startGateway({
      servers: [{ name: "s", url: server.url, prefix: "s_" }],
    });
    const client = await gateway.connect();
    const location = `http://127.0.0.1:${thief.addr.port}/`;
    const json = { "content-type": "application/json" };
    const body = '{"jsonrpc":"2.0","id":1,"result":{}}';
    const answers: readonly ResponseInit[] = [
      { status: 307, headers: { ...json, location } },
      { status: 401, headers: { ...json, "www-authenticate": "Bearer" } },
      { status: 421, headers: json },
      { status: 202 },
      { status: 200, headers: { "content-type": "text/html" } },
    ];
    for (const init of answers) {
      server.answers(() => new Response(body, init));
      const reply = await client.call("s_t");
      assertEquals(reply.status, 502, `${init.status}: ${reply.text}`);
      assertEquals(reply.message?.error?.code, -32603);
      assertEquals(reply.headers.get("location"), null);
      assertEquals(reply.headers.get("www-authenticate"), null);
    }
    assertEquals(stolen, 0);

    server.answers(() =>
      new Response(body, {
        headers: {
          ...json,
          location,
          "set-cookie": "a=b",
          "mcp-session-id": "theirs",
          "x-destination-mcp": "other",
        },
      })
    );
    const passed = await client.call("s_t");
    assertEquals(passed.status, 200, passed.text);
    for (
      const name of [
        "location",
        "set-cookie",
        "mcp-session-id",
        "x-destination-mcp",
      ]
    ) assertEquals(passed.headers.get(name), null, name);
  },
);

proves(
  "no server gets the credential or the session of another one whose place it takes",
  async () => {
    await using a = startRawServer({ name: "a" });
    await using b = startRawServer({ name: "b" });
    const at = (name: "a" | "b") => ({
      name: "s",
      url: name === "a" ? a.url : b.url,
      prefix: "s_",
      credential: `Bearer ${name}`,
      credentialFor: ["discovery", "calls"],
    });
    await using gateway = await startGateway({ servers: [at("a")] });
    const client = await gateway.connect();
    let running = true;
    let calls = 0;
    const load = (async () => {
      while (running) {
        const reply = await client.call("s_echo");
        assertEquals(reply.status, 200, reply.text);
        calls++;
      }
    })();
    for (const [name, server] of [["b", b], ["a", a], ["b", b]] as const) {
      server.clear();
      await gateway.config.write([at(name)]);
      await eventually(() =>
        assert(server.of("tools/call").length > 20, `no calls at ${name}`)
      );
    }
    running = false;
    await load;
    assert(calls > 60);
    for (const [name, server] of [["a", a], ["b", b]] as const) {
      for (const { headers, rpc } of server.requests) {
        const sent = new Map(headers).get("authorization");
        assertEquals(sent, `Bearer ${name}`, `${rpc} at ${name}`);
      }
    }
  },
);

proves("request trailers reach no server", async () => {
  const fixture = new URL("../fixtures/tls/", import.meta.url);
  const trailers: unknown[] = [];
  let calls = 0;
  const server = http2.createSecureServer({
    key: await Deno.readTextFile(new URL("server.key", fixture)),
    cert: await Deno.readTextFile(new URL("server.pem", fixture)),
  });
  server.on("stream", (stream: http2.ServerHttp2Stream, headers) => {
    let text = "";
    stream.on("trailers", (given) => trailers.push({ ...given }));
    stream.on("error", () => {});
    stream.on("data", (chunk) => text += chunk);
    stream.on("end", () => {
      const message = text === "" ? {} : JSON.parse(text);
      const results: Record<string, unknown> = {
        initialize: {
          protocolVersion: "2025-11-25",
          capabilities: { tools: {} },
          serverInfo: { name: "h2", version: "1" },
        },
        "tools/list": {
          tools: [{ name: "t", inputSchema: { type: "object" } }],
        },
        "tools/call": { content: [] },
      };
      const result = results[message.method];
      if (message.method === "tools/call") calls++;
      stream.respond({
        ":status": headers[":method"] === "GET" ? 405 : result ? 200 : 202,
        "content-type": "application/json",
      });
      stream.end(
        result && JSON.stringify({ jsonrpc: "2.0", id: message.id, result }),
      );
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  try {
    await using gateway = await startGateway({
      servers: [{
        name: "h2",
        url: `https://localhost:${port}/mcp`,
        prefix: "h2_",
        caCert: { file: "ca.pem" },
      }],
      local: { secretsDir: fixture.pathname },
    });
    const client = await gateway.connect();
    const session = http2.connect(new URL(gateway.url).origin);
    const request = session.request({
      ":method": "POST",
      ":path": "/mcp",
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
      "mcp-session-id": client.session,
    }, { waitForTrailers: true } as http2.ClientSessionRequestOptions);
    request.on("wantTrailers", () =>
      request.sendTrailers({
        "x-mcp-tool": "forged",
        "mcp-session-id": "forged",
        authorization: "Bearer leak",
      }));
    request.end(JSON.stringify({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "h2_t" },
    }));
    const [head] = await once(request, "response");
    request.resume();
    await once(request, "close");
    session.close();
    assertEquals(head[":status"], 200);
    assertEquals(calls, 1);
    assertEquals(trailers, []);
  } finally {
    server.close();
  }
});

proves("a page that is not allowed can call no tool", async () => {
  await using server = startRawServer();
  await using gateway = await startGateway({
    servers: [{ name: "raw", url: server.url, prefix: "raw_" }],
  });
  const client = await gateway.connect();
  const reply = await client.call("raw_echo", {}, {
    headers: { origin: "https://evil.example" },
  });
  assertEquals(reply.status, 403, reply.text);
  assertEquals(server.of("tools/call"), []);
});
