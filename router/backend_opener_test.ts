import { assertEquals, assertRejects } from "@std/assert";
import { server } from "../shared/_testing.ts";
import type {
  BackendSession,
  ClientSession,
} from "../shared/sessions/sessions.ts";
import { session } from "./_testing.ts";
import { BackendOpener } from "./backend_opener.ts";
import type { OpenRequest } from "./server_client.ts";

const weather = server("weather");
const SOON = { left: () => 1000 };

function client(id: string): ClientSession {
  return { ...session, id, revision: "2025-06-18" };
}

/** Sessions in memory, and a broker that answers when it is told to. */
function world() {
  const stored = new Map<string, Promise<BackendSession>>();
  const announced: string[] = [];
  const opened: OpenRequest[] = [];
  const dropped: string[][] = [];
  const broker = Promise.withResolvers<void>();
  const opener = new BackendOpener({
    sessions: {
      backend: (session, server, open) => {
        const key = `${session.id} ${server.name}`;
        const found = stored.get(key) ?? open(new AbortController().signal);
        stored.set(key, found);
        return found;
      },
      details: () => Promise.resolve({ capabilities: { roots: {} } }),
      standing: ({ id }) =>
        Promise.resolve({ logLevel: id, subscriptions: [] }),
      unsubscribe: ({ id }, { server, uri }) => {
        dropped.push([id, server, uri]);
        return Promise.resolve();
      },
    },
    client: {
      open: (request) => {
        opened.push(request);
        return Promise.resolve({ id: "b", revision: "2025-06-18" });
      },
    },
    announce: (session, server) => {
      announced.push(`${session} ${server}`);
      return broker.promise;
    },
  });
  const open = (id: string, one = weather) =>
    opener.open(client(id), one, "Bearer client", SOON);
  return { open, opened, announced, stored, broker, dropped };
}

Deno.test("BackendOpener.open() opens with what the client said of itself", async () => {
  const { open, opened, broker } = world();
  broker.resolve();
  assertEquals(await open("a"), { id: "b", revision: "2025-06-18" });
  const [request] = opened;
  assertEquals(request?.details, { capabilities: { roots: {} } });
  assertEquals(request?.revision, "2025-06-18");
  assertEquals(request?.authorization, "Bearer client");
  assertEquals(await request?.standing(), { logLevel: "a", subscriptions: [] });
});

Deno.test("BackendOpener.open() forgets a subscription that the server will not have", async () => {
  const { open, opened, broker, dropped } = world();
  broker.resolve();
  await open("a");
  await opened[0]?.onRefused("memo://1");
  assertEquals(dropped, [["a", "weather", "memo://1"]]);
});

Deno.test("BackendOpener.open() goes on when the broker was told, once, in all calls", async () => {
  const { open, announced, broker } = world();
  const done: number[] = [];
  const calls = [0, 1, 2].map((n) => open("a").then(() => done.push(n)));
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assertEquals([announced, done], [["a weather"], []]);
  broker.resolve();
  await Promise.all(calls);
  assertEquals(done.length, 3);
  await open("a");
  assertEquals(announced, ["a weather"]);
});

Deno.test("BackendOpener.open() tells the broker that the client listens at", async () => {
  const told: unknown[] = [];
  const opener = new BackendOpener({
    sessions: {
      backend: (_session, _server, open) => open(new AbortController().signal),
      details: () => Promise.resolve({ capabilities: {} }),
      standing: ({ id }) =>
        id === "away"
          ? Promise.reject(new Error("the store is away"))
          : Promise.resolve({
            subscriptions: [],
            listener: { broker: "b", url: "http://b.test" },
          }),
      unsubscribe: () => Promise.resolve(),
    },
    client: { open: () => Promise.resolve({ revision: "2025-06-18" }) },
    announce: (...given) => {
      told.push(given);
      return Promise.resolve();
    },
  });
  for (const id of ["a", "away"]) {
    await opener.open(client(id), weather, undefined, SOON);
  }
  assertEquals(told, [
    ["a", "weather", "http://b.test"],
    ["away", "weather", undefined],
  ]);
});

Deno.test("BackendOpener.open() tells the broker of each session, and of each that follows it", async () => {
  const { open, announced, stored, broker } = world();
  broker.resolve();
  await open("a");
  await open("b");
  await open("a", server("memo"));
  stored.clear();
  await open("a");
  assertEquals(announced, ["a weather", "b weather", "a memo", "a weather"]);
});

Deno.test("BackendOpener.open() tells the broker of a session that nobody waited for", async () => {
  const { announced, broker } = world();
  broker.resolve();
  const slow = Promise.withResolvers<BackendSession>();
  let asked = 0;
  let opened: Promise<BackendSession> | undefined;
  const opener = new BackendOpener({
    sessions: {
      backend: (_session, _server, open) => {
        opened ??= open(new AbortController().signal);
        return asked++ === 0 ? Promise.reject(new Error("too late")) : opened;
      },
      details: () => Promise.resolve({ capabilities: {} }),
      standing: () => Promise.resolve({ subscriptions: [] }),
      unsubscribe: () => Promise.resolve(),
    },
    client: { open: () => slow.promise },
    announce: (session) => {
      announced.push(session);
      return Promise.resolve();
    },
  });
  await assertRejects(() => opener.open(client("a"), weather, undefined, SOON));
  slow.resolve({ revision: "2025-06-18" });
  await opened;
  assertEquals(announced, []);
  await opener.open(client("a"), weather, undefined, SOON);
  assertEquals(announced, ["a"]);
});
