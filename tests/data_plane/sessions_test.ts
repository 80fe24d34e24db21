/**
 * A session belongs to one identity; its id stays between client and gateway.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { KeyRing, loadKeyRing } from "../../shared/sessions/keys.ts";
import { readSession, signSession } from "../../shared/sessions/token.ts";
import { LIMITS } from "../../shared/limits.ts";
import { startRawServer } from "../fixtures/raw_server.ts";
import { bearer } from "../support/bearer.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import { RawClient } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";

const ALICE = bearer("alice");

const setup = shared(async (stack) => {
  const server = stack.use(startRawServer());
  const bare = stack.use(startRawServer({ pages: [[{ name: "bare" }]] }));
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "raw", url: server.url, prefix: "raw_" },
        { name: "bare", url: bare.url },
      ],
    }),
  );
  return { server, bare, gateway };
});

/** A client with a session that is no good, and who presents it. */
interface BadSession {
  readonly what: string;
  readonly spoil: (
    gateway: TestGateway,
    client: RawClient,
  ) => Promise<RawClient>;
}

/** The same session id, presented with other headers. */
function presentedBy(
  client: RawClient,
  headers: Readonly<Record<string, string>>,
  session: string = client.session ?? "",
): RawClient {
  const other = new RawClient(client.url, { headers });
  other.session = session;
  return other;
}

function altered(session: string, at: number): string {
  const swapped = session[at] === "A" ? "B" : "A";
  return session.slice(0, at) + swapped + session.slice(at + 1);
}

const bad: readonly BadSession[] = [
  {
    what: "with an altered signature",
    spoil: (_, client) =>
      Promise.resolve(
        presentedBy(
          client,
          ALICE,
          altered(client.session!, client.session!.length - 9),
        ),
      ),
  },
  {
    what: "with an altered payload",
    spoil: (_, client) =>
      Promise.resolve(
        presentedBy(client, ALICE, altered(client.session!, 40)),
      ),
  },
  {
    what: "cut short",
    spoil: (_, client) =>
      Promise.resolve(
        presentedBy(client, ALICE, client.session!.slice(0, -1)),
      ),
  },
  {
    what: "chosen by the client",
    spoil: (_, client) =>
      Promise.resolve(presentedBy(client, ALICE, crypto.randomUUID())),
  },
  {
    what: "that has expired",
    async spoil(gateway, client) {
      const keys = await loadKeyRing({ stateDir: gateway.stateDir });
      const now = Math.floor(Date.now() / 1000);
      const claims = readSession(keys, client.session!, now);
      assert(claims !== undefined, "the gateway's own session is not readable");
      const token = signSession(keys, { ...claims, expiresAt: now - 1 });
      return presentedBy(client, ALICE, token);
    },
  },
  {
    what: "signed with another key",
    async spoil(gateway, client) {
      const keys = await loadKeyRing({ stateDir: gateway.stateDir });
      const claims = readSession(keys, client.session!, Date.now() / 1000);
      assert(claims !== undefined, "the gateway's own session is not readable");
      const others = new KeyRing(new Uint8Array(32).fill(1));
      return presentedBy(client, ALICE, signSession(others, claims));
    },
  },
  {
    what: "whose identity was rewritten to another's",
    async spoil(gateway, client) {
      const mallory = await gateway.connect({ headers: bearer("mallory") });
      // Mallory's payload under Alice's signature, and the reverse.
      const [version, kid, , mac] = client.session!.split(".");
      const payload = mallory.session!.split(".")[2];
      return presentedBy(client, ALICE, [version, kid, payload, mac].join("."));
    },
  },
  {
    what: "that was deleted",
    async spoil(_, client) {
      assert((await client.delete()).status < 300);
      return client;
    },
  },
  {
    what: "of another subject",
    spoil: (_, client) =>
      Promise.resolve(presentedBy(client, bearer("mallory"))),
  },
  {
    what: "of the same subject at another issuer",
    spoil: (_, client) =>
      Promise.resolve(
        presentedBy(client, bearer("alice", "https://other.example")),
      ),
  },
  {
    what: "presented without its identity",
    spoil: (_, client) => Promise.resolve(presentedBy(client, {})),
  },
];

for (const { what, spoil } of bad) {
  proves(
    `a session ${what} is answered 404 on POST, GET and DELETE, and reaches no server`,
    async () => {
      const { server, bare, gateway } = setup();
      const client = await gateway.connect({ headers: ALICE });
      assertEquals((await client.call("raw_echo")).status, 200);
      const spoilt = await spoil(gateway, client);
      server.clear();
      bare.clear();

      for (const call of ["raw_echo", "bare", "nobody_knows"]) {
        const reply = await spoilt.call(call);
        assertEquals(reply.status, 404, `tools/call: ${reply.text}`);
        assertEquals(reply.message?.error?.code, -32600);
        assertEquals(reply.message?.id, Number(reply.message?.id));
      }
      assertEquals((await spoilt.request("tools/list")).status, 404);
      assertEquals((await spoilt.request("ping")).status, 404);
      assertEquals((await spoilt.get()).status, 404);
      assertEquals((await spoilt.delete()).status, 404);

      assertEquals(server.of("tools/call"), []);
      assertEquals(bare.of("tools/call"), []);
    },
  );
}

proves(
  "another's session survives what a stranger does with its id",
  async () => {
    const { gateway } = setup();
    const client = await gateway.connect({ headers: ALICE });
    const stranger = presentedBy(client, bearer("mallory"));
    assertEquals((await stranger.delete()).status, 404);
    assertEquals((await client.call("raw_echo")).status, 200);
  },
);

proves(
  "a request without a session is answered 400 on POST, GET and DELETE",
  async () => {
    const { server, gateway } = setup();
    server.clear();
    const client = new RawClient(gateway.url);
    for (
      const reply of [
        await client.call("raw_echo"),
        await client.call("nobody_knows"),
        await client.request("tools/list"),
        await client.get(),
        await client.delete(),
      ]
    ) {
      assertEquals(reply.status, 400, reply.text);
      assertEquals(reply.message?.error?.code, -32600);
    }
    assertEquals(server.of("tools/call"), []);
  },
);

proves("a session id that stands twice is refused", async () => {
  const { gateway, server } = setup();
  const client = await gateway.connect();
  server.clear();
  const twice = presentedBy(client, {}, `${client.session}, ${client.session}`);
  const reply = await twice.call("raw_echo");
  assert([400, 404].includes(reply.status), `${reply.status} ${reply.text}`);
  assertEquals(server.of("tools/call"), []);
});

proves(
  "no server's session id reaches a client, nor the gateway's a server",
  async () => {
    const { server, bare, gateway } = setup();
    server.clear();
    bare.clear();
    const client = await gateway.connect({ headers: ALICE });
    const replies = [
      await client.call("raw_echo"),
      await client.call("bare"),
      await client.call("raw_unknown"),
      await client.request("tools/list"),
      await client.delete(),
    ];
    for (const { headers, text } of replies) {
      const shown = JSON.stringify([...headers]) + text;
      assert(!shown.includes("raw-"), `a server's session id is in ${shown}`);
    }
    const part = client.session!.slice(-20);
    for (const { headers, body } of [...server.requests, ...bare.requests]) {
      const got = JSON.stringify(headers) + new TextDecoder().decode(body);
      assert(!got.includes(part), `the gateway's session id is in ${got}`);
      assert(!got.includes("Bearer"), `the client's token is in ${got}`);
    }
    assert(server.of("tools/call").length > 0);
  },
);

proves("50 first calls at once open one session with a server", async () => {
  const { gateway, server } = setup();
  server.clear();
  server.faults.set("initialize", { kind: "slow", ms: 300 });
  try {
    const client = await gateway.connect();
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, n) => client.call("raw_echo", { n })),
    );
    // Calls above the limit of one session are turned away, and those only.
    const run = replies.filter(({ status }) => status === 200).length;
    const turnedAway = replies.filter(({ status }) => status === 429).length;
    assertEquals(run + turnedAway, 50, replies.map((r) => r.text).join("\n"));
    assert(run >= LIMITS.callsPerSession, `only ${run} calls ran`);
    assertEquals(server.of("tools/call").length, run);
    assertEquals(server.of("initialize").length, 1);
    const sessions = server.of("tools/call").map(({ session }) => session);
    assertEquals(new Set(sessions).size, 1);
  } finally {
    server.recover();
  }
});

proves("two clients have two sessions with a server", async () => {
  const { gateway, server } = setup();
  server.clear();
  for (const headers of [ALICE, bearer("bob")]) {
    const client = await gateway.connect({ headers });
    assertEquals((await client.call("raw_echo")).status, 200);
  }
  const [first, second] = server.of("tools/call");
  assertNotEquals(first?.session, second?.session);
});

proves("DELETE ends the sessions with servers too", async () => {
  const { gateway, server } = setup();
  const client = await gateway.connect();
  await client.call("raw_echo");
  const session = server.of("tools/call").at(-1)!.session;
  assert(server.sessions.has(session));
  await client.delete();
  await eventually(() => assert(!server.sessions.has(session)));
});

proves("the signing key is readable by its owner only", async () => {
  const { gateway } = setup();
  const { mode } = await Deno.stat(`${gateway.stateDir}/signing.key`);
  assertEquals((mode ?? 0) & 0o077, 0);
});
