import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ServerConfig } from "../shared/config/model.ts";
import type { SecretIo } from "../shared/config/secrets.ts";
import { GatewayError } from "../shared/errors.ts";
import type { StandingRequests } from "../shared/sessions/sessions.ts";
import { HttpPool } from "../shared/upstream/http_pool.ts";
import { server, SILENT } from "../shared/_testing.ts";
import type { ServerCall } from "./decide_call.ts";
import { backendTag } from "../shared/relay/routed_id.ts";
import { eventually } from "../tests/support/wait.ts";
import { session } from "./_testing.ts";
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
  capabilities: object = {},
): Response {
  if (method === "notifications/initialized" || text === "") {
    return new Response(null, { status: 202 });
  }
  if (method !== "initialize") {
    return Response.json({
      jsonrpc: "2.0",
      id: JSON.parse(text).id,
      result: {},
    });
  }
  return Response.json({
    jsonrpc: "2.0",
    id: JSON.parse(text).id,
    result: {
      protocolVersion: "2025-06-18",
      capabilities: { tools: {}, ...capabilities },
      serverInfo: { name: "s", version: "1" },
    },
  }, { headers });
}

const details = {
  capabilities: { elicitation: { url: {} }, tasks: { list: {} }, x: [1] },
  clientInfo: { name: "ada's client", version: "7" },
};

async function open(
  config: ServerConfig,
  authorization?: string,
  standing: () => Promise<StandingRequests> = () =>
    Promise.resolve({ subscriptions: [] }),
  onRefused: (uri: string) => Promise<void> = () => Promise.resolve(),
): Promise<unknown> {
  using http = new HttpPool(secrets);
  return await new ServerClient(http, secrets, SILENT).open({
    server: config,
    details,
    revision: "2025-11-25",
    authorization,
    standing,
    onRefused,
  }, NEVER);
}

Deno.test("ServerClient.open() introduces the client to the server", async () => {
  await using s = serve((seen) => introduced(seen));
  assertEquals(await open(s.config()), { id: "b-1", revision: "2025-06-18" });
  const [first, second] = s.seen;
  assertEquals(JSON.parse(first!.text).params, {
    protocolVersion: "2025-11-25",
    // Its tasks nobody on the way knows how to route.
    capabilities: { elicitation: { url: {} }, x: [1] },
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

function runOn(client: ServerClient, config: ServerConfig, deadline = SOON) {
  const backend = { id: "b-1", revision: "2025-06-18" };
  return client.run(call(config), session, backend, [], deadline);
}

/** Answers a call with a stream that says this and never ends. */
function streaming(text: string, { method }: Seen): Response {
  if (method !== "tools/call") return new Response(null, { status: 202 });
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode(text)),
  });
  return new Response(body, {
    headers: { "content-type": "text/event-stream" },
  });
}

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
  const answer = await new ServerClient(http, secrets, SILENT).run(
    call(s.config()),
    session,
    { id: "b-1", revision: "2025-06-18" },
    [["traceparent", "00-1"]],
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
    [
      "application/json",
      "application/json, text/event-stream",
      "b-1",
      "00-1",
    ],
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
    const client = new ServerClient(http, secrets, SILENT);
    const backend = { id: "b-1", revision: "2025-06-18" };
    assertEquals(await client.knows(s.config(), backend, []), known);
    assertEquals(s.seen[0]?.method, "ping");
    assertEquals(s.seen[0]?.headers.get("mcp-session-id"), "b-1");
  });
}

Deno.test("ServerClient.run() gives up an answer that is too large", async () => {
  await using s = serve(() => new Response("a".repeat(1024 * 1024 + 1)));
  using http = new HttpPool(secrets);
  const client = new ServerClient(http, secrets, SILENT);
  const error = await assertRejects(
    () => runOn(client, s.config()),
    GatewayError,
  );
  // It ran: nobody may think that it did not.
  assertEquals(error.refusal.kind, "connection lost");
});

const ASKS = '{"jsonrpc":"2.0","id":5,"method":"roots/list"}';
const ANSWERS = '{"jsonrpc":"2.0","id":1,"result":{}}';

Deno.test("ServerClient.run() cancels a call whose server asks what nobody can answer", async () => {
  await using s = serve((seen) => streaming(`data: ${ASKS}\n\n`, seen));
  using http = new HttpPool(secrets);
  const client = new ServerClient(http, secrets, SILENT);
  const error = await assertRejects(
    () => runOn(client, s.config()),
    GatewayError,
  );
  // It may have run: nobody is told to try it again.
  assertEquals(error.refusal.kind, "call broken off");
  await eventually(() => assertEquals(s.seen.length, 2));
  const cancelled = JSON.parse(s.seen[1]!.text);
  assertEquals(cancelled.method, "notifications/cancelled");
  assertEquals(cancelled.params.requestId, 1);
  assertEquals(s.seen[1]?.headers.get("mcp-session-id"), "b-1");
});

Deno.test("ServerClient.run() hands a question on where the stream can be taken up", async () => {
  await using s = serve((seen) =>
    streaming(`id: 7\ndata: \n\ndata: ${ASKS}\n\n`, seen)
  );
  using http = new HttpPool(secrets);
  const client = new ServerClient(http, secrets, SILENT);
  const { body } = await runOn(client, s.config());
  const tag = backendTag("s-1", "b-1");
  assertEquals(
    new TextDecoder().decode(body),
    `id: mcpgw:${tag}:s:7\ndata: \n\n` +
      `data: ${ASKS.replace("5", `"mcpgw:${tag}:s:5"`)}\n\n`,
  );
});

Deno.test("ServerClient.run() answers a ping on the way", async () => {
  const ping = '{"jsonrpc":"2.0","id":"p","method":"ping"}';
  await using s = serve((seen) =>
    streaming(`data: ${ping}\n\ndata: ${ANSWERS}\n\n`, seen)
  );
  using http = new HttpPool(secrets);
  const client = new ServerClient(http, secrets, SILENT);
  const { body } = await runOn(client, s.config());
  assertEquals(new TextDecoder().decode(body), `data: ${ANSWERS}\n\n`);
  await eventually(() => assertEquals(s.seen.length, 2));
  assertEquals(s.seen[1]?.text, '{"jsonrpc":"2.0","id":"p","result":{}}');
});

Deno.test("ServerClient.run() hands on a stream that ends to be taken up again", async () => {
  await using s = serve(() =>
    new Response("id: 7\ndata: \n\n", {
      headers: { "content-type": "text/event-stream" },
    })
  );
  using http = new HttpPool(secrets);
  const client = new ServerClient(http, secrets, SILENT);
  const { body } = await runOn(client, s.config());
  const text = new TextDecoder().decode(body);
  assertEquals(text, `id: mcpgw:${backendTag("s-1", "b-1")}:s:7\ndata: \n\n`);
});

for (
  const { name, more, ms } of [
    { name: "takes longer than Envoy waits", more: "", ms: 300 },
    {
      name: "is too large for a reply",
      more: `data: "${"x".repeat(2_000_000)}"\n\n`,
      ms: 10_000,
    },
  ]
) {
  Deno.test(`ServerClient.run() hands on what there is of a stream that ${name}, where it can be taken up again`, async () => {
    await using s = serve((seen) =>
      streaming(`id: 7\ndata: \n\n${more}`, seen)
    );
    using http = new HttpPool(secrets);
    const client = new ServerClient(http, secrets, SILENT);
    const { body } = await runOn(client, s.config(), { left: () => ms });
    const text = new TextDecoder().decode(body);
    assertEquals(text, `id: mcpgw:${backendTag("s-1", "b-1")}:s:7\ndata: \n\n`);
  });
}

Deno.test("ServerClient.run() says so where a stream ends without an answer", async () => {
  await using s = serve(() =>
    new Response("data: {}\n\n", {
      headers: { "content-type": "text/event-stream" },
    })
  );
  using http = new HttpPool(secrets);
  const client = new ServerClient(http, secrets, SILENT);
  const error = await assertRejects(
    () => runOn(client, s.config()),
    GatewayError,
  );
  assertEquals(error.refusal.kind, "connection lost");
});

Deno.test("ServerClient.open() asks again for what the client wants in each session", async () => {
  const standing = {
    logLevel: "debug",
    subscriptions: [
      { server: "s", uri: "memo://1" },
      { server: "other", uri: "memo://2" },
      { server: "s", uri: "memo://3" },
    ],
  };
  await using s = serve((seen) => introduced(seen, {}, { logging: {} }));
  await open(s.config(), undefined, () => Promise.resolve(standing));
  assertEquals(
    s.seen.slice(2).map(({ text }) => JSON.parse(text))
      .map(({ method, params }) => [method, params.level ?? params.uri])
      .sort(),
    [
      ["logging/setLevel", "debug"],
      ["resources/subscribe", "memo://1"],
      ["resources/subscribe", "memo://3"],
    ],
  );
});

Deno.test("ServerClient.open() tells which subscriptions the server will not have, and of no other failure", async () => {
  const subscriptions = ["refused", "broken", "taken"].map((uri) => ({
    server: "s",
    uri,
  }));
  await using s = serve((seen) => {
    if (seen.text.includes('"broken"')) {
      return new Response("no", { status: 500 });
    }
    return seen.text.includes('"refused"')
      ? Response.json({
        jsonrpc: "2.0",
        id: JSON.parse(seen.text).id,
        error: { code: -32002, message: "no such resource" },
      })
      : introduced(seen);
  });
  const refused: string[] = [];
  await open(
    s.config(),
    undefined,
    () => Promise.resolve({ subscriptions }),
    (uri) => {
      refused.push(uri);
      return Promise.reject(new Error("the store is away"));
    },
  );
  assertEquals(refused, ["refused"]);
});

Deno.test("ServerClient.open() sends no log level to a server that does not log", async () => {
  await using s = serve((seen) => introduced(seen));
  await open(
    s.config(),
    undefined,
    () => Promise.resolve({ logLevel: "debug", subscriptions: [] }),
  );
  assertEquals(s.seen.map(({ method }) => method), [
    "initialize",
    "notifications/initialized",
  ]);
});

for (
  const { name, answer, standing } of [
    {
      name: "cannot be asked again",
      answer: () => new Response("no", { status: 500 }),
      standing: () => Promise.resolve({ logLevel: "debug", subscriptions: [] }),
    },
    {
      name: "is not known",
      answer: () => new Response(),
      standing: () => Promise.reject(new Error("the store is away")),
    },
  ]
) {
  Deno.test(`ServerClient.open() opens although what the client wants ${name}`, async () => {
    await using s = serve((seen) =>
      seen.method === "logging/setLevel"
        ? answer()
        : introduced(seen, { "mcp-session-id": "b" }, { logging: {} })
    );
    assertEquals(await open(s.config(), undefined, standing), {
      id: "b",
      revision: "2025-06-18",
    });
  });
}
