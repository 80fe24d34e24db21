import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ServerConfig } from "../shared/config/model.ts";
import type { SecretIo } from "../shared/config/secrets.ts";
import { GatewayError } from "../shared/errors.ts";
import { HttpPool } from "../shared/upstream/http_pool.ts";
import { server } from "../shared/_testing.ts";
import type { ServerCall } from "./decide_message.ts";
import { ServerClient } from "./server_client.ts";

const secrets: SecretIo = {
  secretsDir: "/secrets",
  readTextFile: (path) =>
    path === "/secrets/token"
      ? Promise.resolve("Bearer own\n")
      : Promise.reject(new Deno.errors.NotFound(path)),
  env: () => undefined,
};

const NEVER = new AbortController().signal;

interface Seen {
  readonly headers: Headers;
  readonly text: string;
  readonly method: string | undefined;
}

/** A server on loopback that answers as told and remembers what it was asked. */
function serve(answer: (seen: Seen) => Response) {
  const seen: Seen[] = [];
  const listener = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const text = await request.text();
      const method = text === "" ? request.method : JSON.parse(text).method;
      seen.push({ headers: request.headers, text, method });
      return answer(seen.at(-1)!);
    },
  );
  return {
    seen,
    config: (changes: Partial<ServerConfig> = {}): ServerConfig =>
      server("s", {
        url: `http://127.0.0.1:${listener.addr.port}/mcp`,
        ...changes,
      }),
    [Symbol.asyncDispose]: () => listener.shutdown(),
  };
}

/** Answers a handshake; the session id is "b-1" unless given. */
function introduced(
  { method, text }: Seen,
  headers: Record<string, string> = { "mcp-session-id": "b-1" },
): Response {
  if (method !== "initialize") return new Response(null, { status: 202 });
  return Response.json({
    jsonrpc: "2.0",
    id: JSON.parse(text).id,
    result: {
      protocolVersion: "2025-06-18",
      capabilities: { tools: {} },
      serverInfo: { name: "s", version: "1" },
    },
  }, { headers });
}

const details = {
  capabilities: { elicitation: {} },
  clientInfo: { name: "ada's client", version: "7" },
};

async function open(
  config: ServerConfig,
  authorization?: string,
): Promise<unknown> {
  using http = new HttpPool(secrets);
  return await new ServerClient(http, secrets).open({
    server: config,
    details,
    revision: "2025-11-25",
    authorization,
  }, NEVER);
}

Deno.test("ServerClient.open() introduces the client to the server", async () => {
  await using s = serve((seen) => introduced(seen));
  assertEquals(await open(s.config()), { id: "b-1", revision: "2025-06-18" });
  const [first, second] = s.seen;
  assertEquals(JSON.parse(first!.text).params, {
    protocolVersion: "2025-11-25",
    // Nothing can be asked of the client yet: no answer would find its way.
    capabilities: {},
    clientInfo: details.clientInfo,
  });
  assertEquals(first?.headers.get("authorization"), null);
  assertEquals(second?.method, "notifications/initialized");
  assertEquals(second?.headers.get("mcp-session-id"), "b-1");
  assertEquals(second?.headers.get("mcp-protocol-version"), "2025-06-18");
});

Deno.test("ServerClient.open() takes a server without sessions as it is", async () => {
  await using s = serve((seen) => introduced(seen, {}));
  assertEquals(await open(s.config()), { revision: "2025-06-18" });
});

Deno.test("ServerClient.open() carries what a call would carry", async () => {
  const own = {
    name: "authorization",
    value: { kind: "file", name: "token" },
  } as const;
  await using s = serve((seen) => introduced(seen));
  await open(s.config({ headers: [own], credentialFor: ["calls"] }));
  await open(s.config({ headers: [own], credentialFor: ["discovery"] }));
  await open(s.config({ passthrough: true }), "Bearer client");
  assertEquals(
    s.seen.filter(({ method }) => method === "initialize")
      .map(({ headers }) => headers.get("authorization")),
    ["Bearer own", null, "Bearer client"],
  );
});

Deno.test("ServerClient.open() leaves no session that it has no use for", async () => {
  await using s = serve((seen) =>
    seen.method === "notifications/initialized"
      ? new Response("no", { status: 500 })
      : introduced(seen)
  );
  await assertRejects(() => open(s.config()), GatewayError);
  assertEquals(
    s.seen.map(({ method, headers }) => [
      method,
      headers.get("mcp-session-id"),
    ]).at(-1),
    ["DELETE", "b-1"],
  );
});

const failures: readonly {
  name: string;
  answer: () => Response;
  config?: Partial<ServerConfig>;
  want: string;
}[] = [
  {
    name: "a server that is down",
    answer: () => new Response(),
    config: { url: "http://127.0.0.1:1/mcp" },
    want: "server unreachable",
  },
  {
    name: "a server that answers 401",
    answer: () => new Response("no", { status: 401 }),
    want: "server refused",
  },
  {
    name: "a server that answers garbage",
    answer: () =>
      new Response("<html>", { headers: { "content-type": "text/html" } }),
    want: "server refused",
  },
  {
    name: "a credential that cannot be read",
    answer: () => new Response(),
    config: {
      headers: [{
        name: "authorization",
        value: { kind: "file", name: "gone" },
      }],
      credentialFor: ["calls"],
    },
    want: "credential missing",
  },
];

for (const { name, answer, config, want } of failures) {
  Deno.test(`ServerClient.open() names ${name}`, async () => {
    await using s = serve(answer);
    const error = await assertRejects(
      () => open(s.config(config)),
      GatewayError,
    );
    assertEquals(error.refusal.kind, want);
    assert(!error.message.includes("Bearer"));
  });
}

function call(config: ServerConfig): ServerCall {
  return {
    kind: "call",
    server: config,
    method: "tools/call",
    target: "tool",
    name: "t",
    id: "1",
    body: new TextEncoder().encode('{"method":"tools/call", "n":1e400}'),
  };
}

const SOON = { left: () => 10_000 };

Deno.test("ServerClient.run() sends the same bytes and reads until the response", async () => {
  const response = 'data: {"jsonrpc":"2.0","id":1,"result":{}}\n\n';
  await using s = serve(({ text }) =>
    new Response(
      new ReadableStream({
        start(controller) {
          // And never closes.
          controller.enqueue(
            new TextEncoder().encode(
              'data: {"jsonrpc":"2.0","method":"notifications/progress"}\n\n' +
                response,
            ),
          );
        },
      }),
      {
        status: text.includes("1e400") ? 200 : 500,
        headers: { "content-type": "text/event-stream" },
      },
    )
  );
  using http = new HttpPool(secrets);
  const answer = await new ServerClient(http, secrets).run(
    call(s.config()),
    { id: "b-1", revision: "2025-06-18" },
    [["accept", "text/event-stream"], ["traceparent", "00-1"]],
    SOON,
  );
  assertEquals(answer.status, 200);
  assertEquals(
    answer.headers.find(([name]) => name === "content-type"),
    ["content-type", "text/event-stream"],
  );
  const text = new TextDecoder().decode(answer.body);
  assert(text.includes("notifications/progress") && text.endsWith(response));
  const headers = s.seen[0]?.headers;
  assertEquals(
    ["content-type", "accept", "mcp-session-id", "traceparent"].map((name) =>
      headers?.get(name)
    ),
    ["application/json", "text/event-stream", "b-1", "00-1"],
  );
});

for (
  const [status, known] of [[200, true], [202, true], [400, false], [
    404,
    false,
  ], [500, true]] as const
) {
  Deno.test(`ServerClient.knows() takes ${status} on a ping for ${known}`, async () => {
    await using s = serve(() => new Response(null, { status }));
    using http = new HttpPool(secrets);
    const client = new ServerClient(http, secrets);
    const backend = { id: "b-1", revision: "2025-06-18" };
    assertEquals(await client.knows(s.config(), backend, []), known);
    assertEquals(s.seen[0]?.method, "ping");
    assertEquals(s.seen[0]?.headers.get("mcp-session-id"), "b-1");
  });
}

Deno.test("ServerClient.run() gives up an answer that is too large", async () => {
  await using s = serve(() => new Response("a".repeat(1024 * 1024 + 1)));
  using http = new HttpPool(secrets);
  const client = new ServerClient(http, secrets);
  const error = await assertRejects(
    () => client.run(call(s.config()), { revision: "2025-06-18" }, [], SOON),
    GatewayError,
  );
  // It ran: nobody may think that it did not.
  assertEquals(error.refusal.kind, "connection lost");
});
