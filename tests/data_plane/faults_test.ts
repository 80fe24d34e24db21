/**
 * A server's fault costs its own tools, and a lost session costs nothing.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  type Fault,
  type RawServer,
  startRawServer,
} from "../fixtures/raw_server.ts";
import { startSdkV1Server } from "../fixtures/sdk_v1_server.ts";
import { startGateway } from "../support/gateway.ts";
import { proves, shared } from "../support/proves.ts";
import type { RawClient, RawReply } from "../support/raw_client.ts";
import { eventually } from "../support/wait.ts";

/** What calls to healthy servers may take while another one fails. */
const QUICK_MS = 2_000;

const setup = shared(async (stack) => {
  const healthy = stack.use(startRawServer({ name: "healthy" }));
  const faulty = stack.use(startRawServer({ name: "faulty" }));
  const bare = stack.use(startRawServer({ pages: [[{ name: "bare" }]] }));
  const sdk = stack.use(startSdkV1Server());
  const gateway = stack.use(
    await startGateway({
      servers: [
        { name: "healthy", url: healthy.url, prefix: "healthy_" },
        { name: "faulty", url: faulty.url, prefix: "faulty_" },
        { name: "bare", url: bare.url },
        { name: "sdk", url: sdk.url, prefix: "sdk_" },
      ],
    }),
  );
  return { healthy, faulty, bare, sdk, gateway };
});

const restarts: readonly {
  server: string;
  tool: string;
  forget: () => void | Promise<void>;
  raw?: () => RawServer;
}[] = [
  {
    server: "a server that answers with JSON",
    tool: "faulty_echo",
    forget: () => setup().faulty.forgetSessions(),
    raw: () => setup().faulty,
  },
  {
    server: "a server that answers 400 to an unknown session",
    tool: "faulty_echo",
    forget: () => {
      setup().faulty.unknownSession = 400;
      setup().faulty.forgetSessions();
    },
    raw: () => setup().faulty,
  },
  {
    server: "a server without a prefix",
    tool: "bare",
    forget: () => setup().bare.forgetSessions(),
    raw: () => setup().bare,
  },
  {
    server: "a server on the v1 SDK",
    tool: "sdk_echo",
    forget: () => setup().sdk.forgetSessions(),
  },
];

for (const { server, tool, forget, raw } of restarts) {
  proves(
    `${server} restarts between two calls and the client does not notice`,
    async () => {
      const client = await setup().gateway.connect();
      assertEquals((await client.call(tool, { n: 1 })).status, 200);
      await forget();
      raw?.().clear();
      const second = await client.call(tool, { n: 2 });
      assertEquals(second.status, 200, second.text);
      const text = second.message?.result?.content?.[0]?.text;
      assert(text?.includes('"n":2'), second.text);
      const calls = raw?.().of("tools/call") ?? [];
      // The first of two met the 404 and was not run.
      const ran = calls.filter(({ session }) => raw?.().sessions.has(session));
      if (raw !== undefined) assertEquals(ran.length, 1);
      assertEquals((await client.call(tool, { n: 3 })).status, 200);
    },
  );
}

proves(
  "a server that answers in event streams restarts and the call runs once",
  async () => {
    const { faulty, gateway } = setup();
    faulty.answers = "sse";
    try {
      const client = await gateway.connect();
      await client.call("faulty_echo");
      faulty.forgetSessions();
      faulty.clear();
      const reply = await client.call("faulty_echo", { n: 2 });
      assertEquals(reply.status, 200, reply.text);
      const ran = faulty.of("tools/call")
        .filter(({ session }) => faulty.sessions.has(session));
      assertEquals(ran.length, 1);
    } finally {
      faulty.answers = "json";
    }
  },
);

proves(
  "25 calls that meet a restart at once open one new session",
  async () => {
    const { faulty, gateway } = setup();
    const client = await gateway.connect();
    await client.call("faulty_echo");
    // The broker's own session is part of the restart too: count ours apart.
    faulty.forgetSessions();
    faulty.clear();
    const replies = await Promise.all(
      Array.from({ length: 25 }, (_, n) => client.call("faulty_echo", { n })),
    );
    assertEquals(replies.map(({ status }) => status), replies.map(() => 200));
    const used = faulty.of("tools/call").map(({ session }) => session)
      .filter((session) => faulty.sessions.has(session));
    assertEquals(new Set(used).size, 1);
    assertEquals(used.length, 25);
  },
);

const faults: readonly {
  what: string;
  method: string;
  fault: Fault;
  status: readonly number[];
}[] = [
  {
    what: "hangs in initialize",
    method: "initialize",
    fault: { kind: "hang" },
    status: [503, 504],
  },
  {
    what: "refuses initialize with 500",
    method: "initialize",
    fault: { kind: "status", status: 500 },
    status: [502],
  },
  {
    what: "answers initialize with garbage",
    method: "initialize",
    fault: { kind: "garbage" },
    status: [502],
  },
];

for (const { what, method, fault, status } of faults) {
  proves(`a server that ${what} costs only its own tools`, async () => {
    const { faulty, gateway } = setup();
    const client = await gateway.connect();
    faulty.faults.set(method, fault);
    try {
      const broken = client.call("faulty_echo");
      await othersAreQuick(client);
      const reply = await broken;
      assert(status.includes(reply.status), `${reply.status} ${reply.text}`);
      assertEquals(reply.message?.error?.code, -32603, reply.text);
      assertEquals(reply.message?.id, 1);
      assert((await client.toolNames()).includes("faulty_echo"));
    } finally {
      faulty.recover();
    }
    await callsSucceed(client);
  });
}

proves("a server that hangs in a call holds up no other call", async () => {
  const { faulty, gateway } = setup();
  const client = await gateway.connect();
  await client.call("faulty_echo");
  faulty.faults.set("tools/call", { kind: "hang" });
  const abort = new AbortController();
  try {
    const hanging = Array.from(
      { length: 5 },
      () =>
        client.call("faulty_echo", {}, { signal: abort.signal })
          .catch((cause) => cause),
    );
    await eventually(() =>
      assert(faulty.of("tools/call").length >= 5, "calls have not arrived")
    );
    await othersAreQuick(client);
    abort.abort();
    await Promise.all(hanging);
  } finally {
    faulty.recover();
  }
});

for (
  const { what, fault } of [
    {
      what: "500",
      fault: { kind: "status", status: 500 } satisfies Fault,
    },
    {
      what: "503",
      fault: { kind: "status", status: 503 } satisfies Fault,
    },
  ]
) {
  proves(
    `a server's ${what} is an answer to its call, and the call is not repeated`,
    async () => {
      const { faulty, gateway } = setup();
      const client = await gateway.connect();
      await client.call("faulty_echo");
      faulty.clear();
      faulty.faults.set("tools/call", fault);
      try {
        const reply = await client.call("faulty_echo");
        assert(reply.status >= 500, `${reply.status}`);
        assertEquals(faulty.of("tools/call").length, 1);
        await othersAreQuick(client);
      } finally {
        faulty.recover();
      }
      assertEquals((await client.call("faulty_echo")).status, 200);
    },
  );
}

proves(
  "a server that is down costs only its own tools, and comes back",
  async () => {
    const { faulty, gateway } = setup();
    const client = await gateway.connect();
    await client.call("faulty_echo");
    await faulty.stop();
    try {
      // With a session open it is Envoy that cannot reach it, else the router.
      for (const caller of [client, await gateway.connect()]) {
        const reply = await caller.call("faulty_echo");
        assert([502, 503, 504].includes(reply.status), reply.text);
        assertEquals(reply.message?.error?.code, -32603, reply.text);
        await othersAreQuick(caller);
      }
    } finally {
      faulty.start();
    }
    await callsSucceed(client);
    await gateway.serverIs("faulty", "ready", 60_000);
    assert((await client.toolNames()).includes("faulty_echo"));
  },
);

async function othersAreQuick(client: RawClient): Promise<void> {
  const startedAt = performance.now();
  const replies: RawReply[] = await Promise.all([
    client.call("healthy_echo"),
    client.call("bare"),
    client.call("sdk_echo"),
    client.request("tools/list"),
    client.request("ping"),
  ]);
  const took = performance.now() - startedAt;
  assertEquals(
    replies.map(({ status }) => status),
    replies.map(() => 200),
  );
  assert(took < QUICK_MS, `the others took ${Math.round(took)} ms`);
}

async function callsSucceed(client: RawClient): Promise<void> {
  await eventually(async () => {
    const reply = await client.call("faulty_echo");
    assertEquals(reply.status, 200, reply.text);
  }, { intervalMs: 200 });
}
