/**
 * Edge cases of the session era, each test named after the sentence that asks
 * for it. Those that another file tests already are listed, not repeated.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ConversingServer } from "../fixtures/conversing_server.ts";
import { startRawServer } from "../fixtures/raw_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { RawClient, type RpcMessage } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";

/** Sentences, and the words by which their tests go in another file. */
const ELSEWHERE: readonly {
  readonly sentence: string;
  readonly file: string;
  readonly words: string;
}[] = [
  {
    sentence: "Forged x-destination-mcp and x-mcp-tool are ignored",
    file: "forged_headers_test.ts",
    words: "on POST neither steers a call nor reaches its server",
  },
  {
    sentence:
      "Two backends both send request id 1; each answer reaches its owner",
    file: "server_requests_test.ts",
    words: "two servers ask two clients with the same id at once",
  },
  {
    sentence: "A call in a batch on 2025-03-26 is run, not lost",
    file: "batches_test.ts",
    words: "calls in a batch reach their servers one by one",
  },
  {
    sentence: "Two clients reuse one progressToken; no cross-talk",
    file: "crowd_test.ts",
    words: "two hundred clients with equal ids and tokens",
  },
  {
    sentence: "User B presents A's session id: refused",
    file: "sessions_test.ts",
    words: "of another subject",
  },
  {
    sentence: "An altered or expired session id is refused",
    file: "sessions_test.ts",
    words: "is answered 404 on POST, GET and DELETE, and reaches no server",
  },
  {
    sentence: "An altered cursor, or one of another list, is -32602",
    file: "pages_test.ts",
    words: "is -32602 with the request's id",
  },
  {
    sentence: "One malformed tool does not empty the aggregated list",
    file: "lists_test.ts",
    words: "one tool that is malformed costs itself only",
  },
  {
    sentence: "One dead server does not empty the aggregated list",
    file: "lists_test.ts",
    words: "a server that comes up later joins the list",
  },
  {
    sentence: "A server's 401 challenge never crosses the gateway",
    file: "boundaries_test.ts",
    words: "a redirect, a challenge, a foreign status or header of a server",
  },
  {
    sentence: "A client's Authorization never crosses the gateway",
    file: "sessions_test.ts",
    words: "the client's token is in",
  },
  {
    sentence: "A request without a session is 400",
    file: "sessions_test.ts",
    words: "a request without a session is answered 400",
  },
];

for (const { sentence, file, words } of ELSEWHERE) {
  Deno.test(`${sentence}: tested in ${file}`, async () => {
    const text = await Deno.readTextFile(new URL(file, import.meta.url));
    assertStringIncludes(text, words);
  });
}

/** Lets the tool `work` finish. */
const gate = Promise.withResolvers<void>();
/** Clients whose `work` was done to its end. */
const done: string[] = [];

function startConversing(name: string): ConversingServer {
  return new ConversingServer({
    name,
    tools: {
      async work({ session, progress }) {
        progress(1, "begun");
        await gate.promise;
        done.push(session.id);
        return "done";
      },
    },
  });
}

const setup = shared(async (stack) => {
  const raw = stack.use(startRawServer({
    pages: [[
      { name: "echo" },
      { name: "café" },
      { name: "=?base64?eA==?=" },
      { name: "=?BASE64?eA==?=" },
      { name: "two words" },
    ]],
  }));
  const one = stack.use(startConversing("one"));
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "raw", url: raw.url, prefix: "raw_" },
        { name: "one", url: one.url, prefix: "one_" },
      ],
    }),
  );
  return { raw, one, gateway };
});

for (
  const { name, header } of [
    { name: "echo", header: "echo" },
    { name: "two words", header: "two words" },
    { name: "café", header: "=?base64?Y2Fmw6k=?=" },
    {
      name: "=?base64?eA==?=",
      header: `=?base64?${btoa("=?base64?eA==?=")}?=`,
    },
    { name: "=?BASE64?eA==?=", header: "=?BASE64?eA==?=" },
  ]
) {
  proves(
    `A name that no header holds plainly goes as Base64, =?BASE64?…?= is literal: x-mcp-tool of ${name} is ${header}`,
    async () => {
      const { raw, gateway } = setup();
      const client = await gateway.connect();
      raw.clear();
      const reply = await client.call(`raw_${name}`);
      assertEquals(reply.status, 200, reply.text);
      const [call] = raw.of("tools/call");
      assertEquals(
        call?.headers.filter(([name]) => name === "x-mcp-tool"),
        [["x-mcp-tool", header]],
      );
      assertStringIncludes(
        new TextDecoder().decode(call?.body),
        JSON.stringify(name),
      );
    },
  );
}

proves(
  "A disconnect in the middle of a call is no cancellation: the side effect completes",
  async () => {
    const { one, gateway } = setup();
    const client = await gateway.connect({ name: "leaver" });
    const stream = await client.open({
      jsonrpc: "2.0",
      id: 1,
      method: "tools/call",
      params: { name: "one_work", _meta: { progressToken: "t" } },
    });
    assertEquals((await stream.next()).method, "notifications/progress");
    await stream[Symbol.asyncDispose]();
    // The session goes on, and whoever would cancel has had the time to.
    assertEquals((await client.call("raw_echo")).status, 200);
    gate.resolve();
    const session = one.of("leaver").at(-1);
    assert(session !== undefined, "the call has no session");
    await eventually(() => assert(done.includes(session.id), "it is not done"));
    assertEquals(
      session.notifications.map(({ method }) => method),
      ["notifications/initialized"],
    );
  },
);

proves("A successful response emits no notifications/cancelled", async () => {
  const { one, raw, gateway } = setup();
  const client = await gateway.connect({
    name: "content",
    capabilities: { elicitation: {} },
  });
  gate.resolve();
  raw.clear();
  for (let n = 0; n < 5; n++) {
    assertEquals((await client.call("raw_echo")).status, 200);
    assertEquals((await client.call("one_work")).status, 200);
    assertEquals((await client.request("tools/list")).status, 200);
  }
  const session = one.of("content").at(-1);
  assertEquals(
    session?.notifications.map(({ method }) => method),
    ["notifications/initialized"],
  );
  assertEquals(raw.of("notifications/cancelled"), []);
});

for (
  const { asked, answered } of [
    { asked: "2026-07-28", answered: "2025-11-25" },
    { asked: "2025-11-25", answered: "2025-11-25" },
    { asked: "2025-06-18", answered: "2025-06-18" },
    { asked: "2025-03-26", answered: "2025-03-26" },
    { asked: "2024-11-05", answered: "2025-11-25" },
  ]
) {
  proves(`initialize asking ${asked} → ${answered}`, async () => {
    const { gateway } = setup();
    const reply = await new RawClient(gateway.url, { revision: asked })
      .initialize();
    assertEquals(reply.message?.result?.protocolVersion, answered, reply.text);
  });
}

for (
  const { revision, accepted } of [
    { revision: "2025-03-26", accepted: true },
    { revision: "2025-06-18", accepted: false },
    { revision: "2025-11-25", accepted: false },
  ]
) {
  proves(
    `A batch is ${accepted ? "accepted" : "rejected"} on ${revision}`,
    async () => {
      const { raw, gateway } = setup();
      const client = await gateway.connect({ revision });
      raw.clear();
      const reply = await client.send([
        { jsonrpc: "2.0", id: 1, method: "ping" },
        { jsonrpc: "2.0", method: "notifications/roots/list_changed" },
        { jsonrpc: "2.0", id: "two", method: "tools/list" },
        { jsonrpc: "2.0", id: 3, method: "nonsense" },
      ]);
      if (!accepted) {
        assertEquals(reply.status, 400, reply.text);
        assertEquals(reply.message?.error?.code, -32600);
        return;
      }
      assertEquals(reply.status, 200, reply.text);
      const answers: RpcMessage[] = JSON.parse(reply.text);
      assertEquals<unknown>(answers.map(({ id }) => id), [1, "two", 3]);
      assertEquals(answers[0]?.result, {});
      assert(
        answers[1]?.result?.tools?.some(({ name }) => name === "raw_echo"),
      );
      assertEquals(answers[2]?.error?.code, -32601);
    },
  );
}

proves(
  "Backend empty-string cursor continues; cyclic cursors terminate",
  async () => {
    const echo = () => "here";
    await using empty = new ConversingServer({
      name: "empty",
      tools: { a: echo, b: echo },
      page: (cursor) =>
        cursor === "" ? { names: ["b"] } : { names: ["a"], next: "" },
    });
    await using cyclic = new ConversingServer({
      name: "cyclic",
      tools: { a: echo, b: echo },
      page: (cursor) =>
        cursor === "x"
          ? { names: ["b"], next: "y" }
          : { names: ["a"], next: "x" },
    });
    await using gateway = await startGateway({
      servers: [
        { name: "empty", url: empty.url, prefix: "empty_" },
        { name: "cyclic", url: cyclic.url, prefix: "cyclic_" },
      ],
    });
    const client = await gateway.connect();
    const names = new Set(await client.toolNames());
    assertEquals(
      [...names].sort(),
      ["cyclic_a", "cyclic_b", "empty_a", "empty_b"],
    );
    const { servers } = await gateway.status();
    assertEquals(servers[0]?.problems, []);
    assertStringIncludes(servers[1]?.problems.join() ?? "", "circle");
  },
);

proves(
  "Prefix and name that are too long or collide are detected",
  async () => {
    const long = "x".repeat(125);
    await using own = startRawServer({
      name: "own",
      pages: [[{ name: long }, { name: "echo" }, { name: "clash" }]],
    });
    await using bare = startRawServer({
      name: "bare",
      pages: [[{ name: "own_clash" }, { name: "plain" }]],
    });
    await using gateway = await startGateway({
      servers: [
        { name: "bare", url: bare.url },
        { name: "own", url: own.url, prefix: "own_" },
      ],
    });
    const client = await gateway.connect();
    assertEquals(
      (await client.toolNames()).sort(),
      ["own_clash", "own_echo", "plain"],
    );
    const { servers, conflicts } = await gateway.status();
    assertStringIncludes(servers[1]?.problems.join() ?? "", "128");
    assertEquals(conflicts, [
      { kind: "tool", name: "own_clash", kept: "own", hidden: "bare" },
    ]);
    const reply = await client.call("own_clash");
    const text = reply.message?.result?.content?.[0]?.text ?? "{}";
    assertEquals(JSON.parse(text).server, "own");
  },
);

proves("A session opened on one route is unknown on another", async () => {
  const { raw } = setup();
  await using gateway = await startGateway({
    servers: [{ name: "raw", url: raw.url, prefix: "raw_" }],
  });
  await gateway.config.writeText(JSON.stringify({
    servers: [{ name: "raw", url: raw.url, prefix: "raw_" }],
    virtualServers: [{ name: "team/v", tools: ["raw_echo"], prompts: [] }],
  }));
  const part = `${gateway.url}/team/v`;
  const narrow = await eventually(() => RawClient.connect(part));
  const wide = await gateway.connect();
  for (const { url, session } of [wide, narrow]) {
    const elsewhere = new RawClient(url === part ? gateway.url : part);
    elsewhere.session = session;
    for (
      const ask of [
        () => elsewhere.call("raw_echo"),
        () => elsewhere.request("tools/list"),
        () => elsewhere.get(),
        () => elsewhere.delete(),
      ]
    ) {
      const { status, text } = await ask();
      assertEquals(status, 404, text);
    }
  }
  for (const client of [wide, narrow]) {
    assertEquals((await client.call("raw_echo")).status, 200);
  }
});

for (
  const { what, header, status } of [
    { what: "unsupported", header: "2023-01-01", status: 400 },
    { what: "absent", header: null, status: 200 },
    { what: "of an older revision", header: "2025-06-18", status: 200 },
  ]
) {
  proves(
    `MCP-Protocol-Version that is ${what} is answered ${status} by broker and router alike`,
    async () => {
      const { raw, gateway } = setup();
      const client = await gateway.connect();
      await client.call("raw_echo");
      raw.clear();
      const headers = { "mcp-protocol-version": header };
      for (
        const reply of [
          await client.call("raw_echo", {}, { headers }),
          await client.request("tools/list", {}, { headers }),
        ]
      ) assertEquals(reply.status, status, reply.text);
      assertEquals(raw.of("tools/call").length, status === 200 ? 1 : 0);
    },
  );
}

proves(
  "A session outlives one rotation of the signing key, replica by replica, and not the next",
  async () => {
    const { raw } = setup();
    const dir = await Deno.makeTempDir({ prefix: "keys-test-" });
    await using _ = {
      [Symbol.asyncDispose]: () => Deno.remove(dir, { recursive: true }),
    };
    const keys = ["a", "b", "c"].map((digit) => digit.repeat(64));
    const put = async (current: number, previous: number) => {
      await Deno.writeTextFile(`${dir}/current`, keys[current]!);
      await Deno.writeTextFile(`${dir}/previous`, keys[previous]!);
    };
    await put(0, 1);
    const args = [
      `--signing-key-file=${dir}/current`,
      `--previous-signing-key-file=${dir}/previous`,
    ];
    await using gateway = await startGateway({
      servers: [{ name: "raw", url: raw.url, prefix: "raw_" }],
      local: { secretsDir: dir, routerArgs: args, brokerArgs: args },
    });
    const client = await gateway.connect();
    raw.clear();
    const goesOn = async () => {
      assertEquals((await client.call("raw_echo")).status, 200);
      assertEquals((await client.request("tools/list")).status, 200);
    };
    await goesOn();
    await put(1, 0);
    // One has the new key and the other has not, for a while.
    await gateway.local.broker.restart();
    await eventually(goesOn);
    await gateway.local.router.restart();
    await eventually(goesOn);
    const used = raw.of("tools/call").map(({ session }) => session);
    assertEquals(new Set(used).size, 1, "a session was opened anew");

    const late = await gateway.connect();
    await put(2, 1);
    await gateway.local.broker.restart();
    await gateway.local.router.restart();
    await eventually(async () =>
      assertEquals((await late.call("raw_echo")).status, 200)
    );
    for (
      const reply of [
        await client.call("raw_echo"),
        await client.request("tools/list"),
      ]
    ) assertEquals(reply.status, 404, reply.text);
  },
);
