import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { ServerConfig } from "../../shared/config/model.ts";
import type { Era } from "../../shared/mcp.ts";
import type { Fetch } from "../../shared/upstream/http_answers.ts";
import {
  UpstreamError,
  type UpstreamErrorKind,
} from "../../shared/upstream/upstream_error.ts";
import { ScriptedServer } from "../_testing/scripted_server.ts";
import { failure, StatelessServer } from "../_testing/stateless_server.ts";
import { evidenceIn, mayBeStateless, mayHaveSessions } from "./era_evidence.ts";
import { openServer } from "./open_server.ts";

const NEVER = new AbortController().signal;

function open(
  fetch: Fetch,
  era: ServerConfig["era"] = "auto",
  known?: Era,
) {
  return openServer(
    {
      url: "http://server.test/mcp",
      fetch,
      headers: () => Promise.resolve([["authorization", "Bearer x"]]),
      version: "1",
      limits: {
        initializeMs: 500,
        listMs: 500,
        pingMs: 200,
        listBytes: 100_000,
        items: 10,
        pages: 4,
      },
      onNotification: () => {},
      now: () => performance.now(),
    },
    era,
    known,
    NEVER,
  );
}

/** A session server that answers discovery in some way of its own. */
function sessionServer(discovery: () => Response): ScriptedServer {
  const server = new ScriptedServer();
  server.replies.set("server/discover", discovery);
  return server;
}

const status = (code: number, body: string | null = null) => () =>
  new Response(body, { status: code });
const rpc = (code: number, http = 200, data?: unknown) => () =>
  failure(1, code, "no", http, data);

const SESSION_SERVERS: readonly {
  readonly name: string;
  readonly discovery: () => Response;
}[] = [
  { name: "an unknown method", discovery: rpc(-32601) },
  { name: "an unknown method, by HTTP 404", discovery: rpc(-32601, 404) },
  { name: "a missing session, by HTTP 400", discovery: rpc(-32000, 400) },
  { name: "an invalid request", discovery: rpc(-32600, 400) },
  { name: "invalid params, by HTTP 200", discovery: rpc(-32602) },
  { name: "plain text with HTTP 400", discovery: status(400, "Bad Request") },
  { name: "nothing with HTTP 404", discovery: status(404) },
  { name: "HTTP 405", discovery: status(405) },
  { name: "HTTP 406", discovery: status(406) },
  { name: "HTTP 500", discovery: status(500) },
  { name: "HTTP 401, and lets itself be initialized", discovery: status(401) },
  {
    name: "a result that means nothing",
    discovery: () => Response.json({ jsonrpc: "2.0", id: 1, result: {} }),
  },
  {
    name: "that it speaks revisions with sessions only",
    discovery: rpc(-32022, 400, { supported: ["2025-11-25"] }),
  },
];
for (const { name, discovery } of SESSION_SERVERS) {
  Deno.test(`openServer() opens a session where discovery is answered with ${name}`, async () => {
    const server = sessionServer(discovery);
    const session = await open(server.fetch);
    assertEquals(session.introduction.era, "session");
    assertEquals(session.introduction.revision, "2025-11-25");
    assertEquals(server.count("server/discover"), 1);
    assertEquals(server.count("initialize"), 1);
  });
}

Deno.test("openServer() opens a session where discovery is never answered", async () => {
  const server = new ScriptedServer();
  server.hangsOn = ["server/discover"];
  assertEquals((await open(server.fetch)).introduction.era, "session");
});

Deno.test("openServer() never calls anything to find out", async () => {
  for (const server of [new ScriptedServer(), new StatelessServer()]) {
    await open(server.fetch);
    const methods = server.seen.map(({ body }) =>
      body === "" ? "" : JSON.parse(body).method
    );
    assertEquals(
      methods.filter((method) =>
        !["server/discover", "initialize", "notifications/initialized"]
          .includes(method)
      ),
      [],
    );
  }
});

Deno.test("openServer() discovers a stateless server with the headers of discovery", async () => {
  const server = new StatelessServer();
  const session = await open(server.fetch);
  const { introduction } = session;
  assertEquals(introduction.era, "stateless");
  assertEquals(introduction.revision, "2026-07-28");
  assertEquals(introduction.serverInfo, { name: "scripted", version: "0" });
  assertEquals(introduction.instructions, "Ask first.");
  // Whether it keeps sessions too is asked once.
  assertEquals(server.seen.length, 2);
  assertStringIncludes(server.seen[1]!.body, '"initialize"');
  const { headers, body } = server.seen[0]!;
  assertEquals(headers.get("authorization"), "Bearer x");
  assertEquals(headers.get("mcp-method"), "server/discover");
  assertEquals(headers.get("mcp-protocol-version"), "2026-07-28");
  assertEquals(headers.get("mcp-session-id"), null);
  assertEquals(JSON.parse(body).params._meta, {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": { name: "mcp-gateway", version: "1" },
  });
});

const FAILURES: readonly {
  readonly name: string;
  readonly reply: () => Response;
  readonly kind: UpstreamErrorKind;
  readonly says: string;
}[] = [
  {
    name: "a header mismatch",
    reply: rpc(-32020, 400),
    kind: "rpc error",
    says: "(-32020)",
  },
  {
    name: "a capability that it needs",
    reply: rpc(-32021, 400),
    kind: "rpc error",
    says: "(-32021)",
  },
  {
    name: "revisions that nobody knows yet",
    reply: rpc(-32022, 400, { supported: ["2031-01-01"] }),
    kind: "below minimum",
    says: "2031-01-01",
  },
  {
    name: "no revision at all",
    reply: rpc(-32022, 400),
    kind: "below minimum",
    says: "no revision at all",
  },
  {
    name: "a redirect",
    reply: () =>
      new Response(null, { status: 307, headers: { location: "/" } }),
    kind: "refused",
    says: "redirects are not followed",
  },
];
for (const { name, reply, kind, says } of FAILURES) {
  Deno.test(`openServer() stays with the stateless era at ${name}`, async () => {
    const server = new StatelessServer();
    server.replies.set("server/discover", [reply]);
    const error = await assertRejects(() => open(server.fetch), UpstreamError);
    assertEquals(error.kind, kind);
    assertStringIncludes(error.message, says);
    assertEquals(server.seen.length, 1);
  });
}

Deno.test("openServer() offers a revision once more where its refusal names it", async () => {
  const server = new StatelessServer();
  const refusal = () =>
    failure(1, -32022, "no", 400, { supported: ["2026-07-28"] });
  server.replies.set("server/discover", [refusal]);
  assertEquals((await open(server.fetch)).introduction.era, "stateless");
  server.replies.set("server/discover", [refusal, refusal]);
  const error = await assertRejects(() => open(server.fetch), UpstreamError);
  assertEquals(error.code, -32022);
});

Deno.test("openServer() holds a DiscoverResult against the minimum", async () => {
  const server = new StatelessServer();
  server.capabilities = '{"completions":{}}';
  const error = await assertRejects(() => open(server.fetch), UpstreamError);
  assertEquals(error.kind, "below minimum");
  assertStringIncludes(error.message, "none of tools, prompts, resources");
});

Deno.test("openServer() does not ask twice where nobody is there", async () => {
  const server = new StatelessServer();
  server.down = true;
  const error = await assertRejects(() => open(server.fetch), UpstreamError);
  assertEquals(error.kind, "unreachable");
  assertEquals(server.seen.length, 1);
});

Deno.test("openServer() relies on what it knows", async () => {
  const server = new ScriptedServer();
  await open(server.fetch, "auto", "session");
  assertEquals(server.count("server/discover"), 0);
  const stateless = new StatelessServer();
  stateless.replies.set("server/discover", [status(503)]);
  const error = await assertRejects(
    () => open(stateless.fetch, "auto", "stateless"),
    UpstreamError,
  );
  assertEquals(error.status, 503);
  assertEquals(stateless.seen.length, 1);
});

Deno.test("openServer() corrects itself where a server was replaced", async () => {
  const upgraded = await open(new StatelessServer().fetch, "auto", "session");
  assertEquals(upgraded.introduction.era, "stateless");
  const downgraded = await open(
    new ScriptedServer().fetch,
    "auto",
    "stateless",
  );
  assertEquals(downgraded.introduction.era, "session");
});

Deno.test("openServer() speaks the era that is configured, and no other", async () => {
  const dual = new StatelessServer();
  const session = await assertRejects(
    () => open(dual.fetch, "session"),
    UpstreamError,
  );
  assertEquals(session.kind, "below minimum");
  assertStringIncludes(session.message, "era is session");
  assertEquals(dual.count("server/discover"), 0);
  const old = new ScriptedServer();
  const stateless = await assertRejects(
    () => open(old.fetch, "stateless"),
    UpstreamError,
  );
  assertEquals(stateless.kind, "below minimum");
  assertStringIncludes(stateless.message, "era is stateless");
  assertEquals(old.count("initialize"), 0);
  assertEquals(
    (await open(old.fetch, "session")).speaksOtherwise,
    undefined,
  );
});

Deno.test("a session can be asked whether its server is stateless by now", async () => {
  const old = new ScriptedServer();
  const now = new StatelessServer();
  let upgraded = false;
  const session = await open((url, init) => {
    const discovers = new Headers(init.headers).has("mcp-method");
    return upgraded && discovers ? now.fetch(url, init) : old.fetch(url, init);
  });
  assertEquals(await session.speaksOtherwise!(NEVER), false);
  upgraded = true;
  assertEquals(await session.speaksOtherwise!(NEVER), true);
  // The session itself is not disturbed.
  await session.ping(NEVER);
  assertEquals(old.sessions.size, 1);
});

const EVIDENCE: readonly {
  readonly kind: UpstreamErrorKind;
  readonly status?: number;
  readonly code?: number;
  readonly want: Era | undefined;
}[] = [
  { kind: "rpc error", code: -32020, want: "stateless" },
  { kind: "rpc error", code: -32021, want: "stateless" },
  { kind: "rpc error", code: -32022, want: "stateless" },
  { kind: "rpc error", code: -32601, want: "session" },
  { kind: "rpc error", code: -32601, status: 404, want: "session" },
  { kind: "rpc error", code: -32603, want: "session" },
  { kind: "other era", want: "session" },
  { kind: "below minimum", want: "stateless" },
  ...[400, 404, 405, 406, 415, 422].map((status) => ({
    kind: "refused" as const,
    status,
    want: "session" as const,
  })),
  ...[307, 401, 403, 407, 408, 425, 429, 500, 502, 503].map((status) => ({
    kind: "refused" as const,
    status,
    want: undefined,
  })),
  { kind: "unreachable", want: undefined },
  { kind: "timed out", want: undefined },
  { kind: "invalid answer", want: undefined },
  { kind: "too large", want: undefined },
];
for (const { kind, status, code, want } of EVIDENCE) {
  const what = [kind, status, code].filter((one) => one !== undefined).join();
  Deno.test(`evidenceIn() takes ${what} for ${want ?? "none"}`, () => {
    const error = new UpstreamError(kind, {
      message: "",
      ...(status === undefined ? {} : { status }),
      ...(code === undefined ? {} : { code }),
    });
    assertEquals(evidenceIn(error), want);
  });
}

Deno.test("what says nothing of who answers is no reason to ask otherwise", () => {
  const error = (kind: UpstreamErrorKind, status?: number) =>
    new UpstreamError(kind, {
      message: "",
      ...(status === undefined ? {} : { status }),
    });
  assertEquals(mayBeStateless(error("refused", 400)), true);
  assertEquals(mayBeStateless(error("refused", 401)), false);
  assertEquals(mayBeStateless(error("unreachable")), false);
  assertEquals(mayBeStateless(error("session gone", 404)), false);
  assertEquals(mayHaveSessions(error("refused", 503)), true);
  assertEquals(mayHaveSessions(error("refused", 302)), false);
  assertEquals(mayHaveSessions(error("unreachable")), false);
});

/** A server that speaks both eras, by what a request says of itself. */
function dualServer(givesSessions: boolean) {
  const modern = new StatelessServer();
  const old = new ScriptedServer();
  old.givesSessions = givesSessions;
  const fetch: Fetch = (url, init) =>
    new Headers(init.headers).has("mcp-method")
      ? modern.fetch(url, init)
      : old.fetch(url, init);
  return { modern, old, fetch };
}

Deno.test("a stateless server that keeps sessions too is found to", async () => {
  const { old, fetch } = dualServer(true);
  const { introduction } = await open(fetch);
  assertEquals([introduction.era, introduction.sessions], ["stateless", true]);
  // The session was for the asking only.
  assertEquals([old.count("initialize"), old.sessions.size], [1, 0]);
});

Deno.test("a stateless server that lets initialize pass without a session keeps none", async () => {
  const { fetch } = dualServer(false);
  assertEquals((await open(fetch)).introduction.sessions, undefined);
});

Deno.test("a server that is configured to be stateless is not asked for sessions", async () => {
  const { old, fetch } = dualServer(true);
  const { introduction } = await open(fetch, "stateless");
  assertEquals(introduction.sessions, undefined);
  assertEquals(old.count("initialize"), 0);
});

Deno.test("a stateless server speaks otherwise once it keeps sessions, or does no more", async () => {
  const { old, fetch } = dualServer(false);
  const opened = await open(fetch);
  assertEquals(await opened.speaksOtherwise!(NEVER), false);
  old.givesSessions = true;
  assertEquals(await opened.speaksOtherwise!(NEVER), true);
});
