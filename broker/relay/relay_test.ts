import { assertEquals } from "@std/assert";
import type { ServerConfig } from "../../shared/config/model.ts";
import { backendTag } from "../../shared/relay/routed_id.ts";
import type { ClientSession } from "../../shared/sessions/sessions.ts";
import { server } from "../../shared/_testing.ts";
import { recorder } from "../_testing/recorder.ts";
import { until } from "../_testing/until.ts";
import { Relay } from "./relay.ts";

interface Sent {
  readonly to: string;
  readonly session: string | null;
  readonly authorization: string | null;
  readonly body: string;
}

/** A relay among servers that answer as they are told. */
class World {
  servers: ServerConfig[] = [
    server("a"),
    server("b", { passthrough: true }),
    server("off", { state: "Disabled" }),
  ];
  readonly sent: Sent[] = [];
  readonly data: string[] = [];
  readonly log = recorder();
  /** Instead of 202, by server: what is answered, once it is. */
  readonly answers = new Map<string, () => Promise<Response>>();
  backends = () =>
    Promise.resolve(
      this.servers.map(({ name, fingerprint }) => ({
        server: { name, fingerprint },
        backend: { id: `${name}-1`, revision: "2025-06-18" },
      })),
    );
  readonly relay: Relay;

  constructor(limits = {}) {
    this.relay = new Relay({
      fetch: (server, init) => {
        const headers = new Headers(init.headers);
        this.sent.push({
          to: server.name,
          session: headers.get("mcp-session-id"),
          authorization: headers.get("authorization"),
          body: new TextDecoder().decode(init.body as Uint8Array),
        });
        const late = new Promise<never>((_, reject) =>
          init.signal!.addEventListener(
            "abort",
            () => reject(init.signal!.reason),
          )
        );
        const answer = this.answers.get(server.name) ??
          (() => Promise.resolve(new Response(null, { status: 202 })));
        return Promise.race([answer(), late]);
      },
      headers: ({ name }) => Promise.resolve([["x-key", name]]),
      sessions: { backends: () => this.backends() },
      servers: () => this.servers,
      onData: (session, { server }, data) =>
        void this.data.push(`${session} ${server.name} ${data}`),
      timeoutMs: 5,
      wait: (ms, signal) =>
        new Promise((resolve) => {
          const timer = setTimeout(resolve, ms);
          signal.addEventListener("abort", () => {
            clearTimeout(timer);
            resolve();
          });
        }),
      relayedMessages: 100,
      relayedBytes: 1_000,
      log: this.log,
      ...limits,
    });
  }

  message(text: string, authorization?: string) {
    return {
      session: { id: "one" } as ClientSession,
      bytes: new TextEncoder().encode(text),
      authorization,
    };
  }

  bodies(of: string): string {
    return this.sent.filter(({ to }) => to === of)
      .map(({ body }) => body).join();
  }

  get complaints(): string[] {
    return this.log.records.map(({ level, message }) => `${level} ${message}`);
  }
}

Deno.test("a message goes to each open server, as it is, with what calls carry", async () => {
  const world = new World();
  await world.relay.send(world.message('{"a": 1.0}', "Bearer mine"));
  assertEquals(world.sent, [
    { to: "a", session: "a-1", authorization: null, body: '{"a": 1.0}' },
    {
      to: "b",
      session: "b-1",
      authorization: "Bearer mine",
      body: '{"a": 1.0}',
    },
  ]);
  assertEquals([world.complaints, world.relay.count], [[], 0]);
});

Deno.test("a message to one server reaches that backend session and no other", async () => {
  const world = new World();
  const { fingerprint } = world.servers[0]!;
  const tag = backendTag(fingerprint, "a-1");
  await world.relay.sendTo({ server: "a", tag }, world.message("1"));
  await world.relay.sendTo({ server: "b", tag }, world.message("2"));
  const former = backendTag(fingerprint, "a-0");
  await world.relay.sendTo({ server: "a", tag: former }, world.message("3"));
  assertEquals(world.sent.map(({ to, body }) => to + body), ["a1"]);
});

Deno.test("messages arrive in order, and a server that hangs delays only its own", async () => {
  const world = new World({ timeoutMs: 60_000 });
  const { promise, resolve } = Promise.withResolvers<Response>();
  world.answers.set("a", () => promise);
  const all = ["1", "2", "3"].map((text) =>
    world.relay.send(world.message(text))
  );
  await until(() => world.bodies("b") === "1,2,3", "b has all");
  assertEquals(world.bodies("a"), "1");
  assertEquals(world.relay.count, 3);
  world.answers.delete("a");
  resolve(new Response(null, { status: 202 }));
  await Promise.all(all);
  assertEquals(world.bodies("a"), "1,2,3");
  assertEquals(world.relay.count, 0);
});

Deno.test("a server that fails is logged, and costs nobody else", async () => {
  const world = new World();
  const failures: (() => Promise<Response>)[] = [
    () => Promise.resolve(new Response("no", { status: 404 })),
    () => Promise.reject(new TypeError("refused")),
    () => new Promise(() => {}),
  ];
  for (const [index, failure] of failures.entries()) {
    world.answers.set("a", failure);
    await world.relay.send(world.message(`${index}`));
  }
  assertEquals([world.bodies("a"), world.bodies("b")], ["0,1,2", "0,1,2"]);
  const complaint = "debug message of a client not passed on";
  assertEquals(world.complaints, [complaint, complaint, complaint]);
  const errors = world.log.records.map(({ fields }) => fields["error"]);
  assertEquals(errors, ["HTTP 404", "refused", "no answer within 5 ms"]);
});

Deno.test("a store that is away is logged, and the next message goes", async () => {
  const world = new World();
  const { backends } = world;
  world.backends = () => Promise.reject(new Error("away"));
  await world.relay.send(world.message("1"));
  world.backends = backends;
  await world.relay.send(world.message("2"));
  assertEquals(world.bodies("a"), "2");
  assertEquals(world.complaints, ["debug message of a client not passed on"]);
});

Deno.test("an answer that is a stream is read to the response, and what came before is heard", async () => {
  const world = new World();
  let left = false;
  world.answers.set("a", () => {
    const text =
      'id: 1\ndata:\n\ndata: {"jsonrpc":"2.0","method":"x"}\n\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\ndata: {"jsonrpc":"2.0","method":"y"}\n\n';
    const body = new ReadableStream<Uint8Array>({
      start: (sink) => sink.enqueue(new TextEncoder().encode(text)),
      cancel: () => void (left = true),
    });
    const headers = { "content-type": "text/event-stream" };
    return Promise.resolve(new Response(body, { headers }));
  });
  await world.relay.send(world.message("1"));
  assertEquals(world.data, ['one a {"jsonrpc":"2.0","method":"x"}']);
  assertEquals([left, world.complaints], [true, []]);
});

Deno.test("an answer that is JSON is let go, however long", async () => {
  const world = new World();
  world.answers.set("a", () => Promise.resolve(Response.json({})));
  world.answers.set(
    "b",
    () => Promise.resolve(new Response(new Uint8Array(1_000_000))),
  );
  await world.relay.send(world.message("1"));
  assertEquals(world.complaints, []);
});

Deno.test("what is urgent waits for nothing before it, not for its server either", async () => {
  const world = new World({ timeoutMs: 60_000 });
  const { promise, resolve } = Promise.withResolvers<void>();
  world.answers.set(
    "a",
    () => promise.then(() => new Response(null, { status: 202 })),
  );
  const all = ["1", "2"].map((text) => world.relay.send(world.message(text)));
  for (const text of ["stop 1", "stop 2"]) {
    all.push(world.relay.send({ ...world.message(text), urgent: true }));
  }
  await until(() => world.sent.length === 7, "all but one are sent");
  assertEquals(world.bodies("a"), "1,stop 1,stop 2");
  resolve();
  await Promise.all(all);
  assertEquals(world.bodies("a"), "1,stop 1,stop 2,2");
  assertEquals([world.relay.count, world.complaints], [0, []]);
});

Deno.test("what is urgent waits for no look at the store that hangs", async () => {
  const world = new World();
  const { backends } = world;
  const { promise, resolve } = Promise.withResolvers<void>();
  world.backends = () => promise.then(backends);
  const slow = world.relay.send(world.message("1"));
  await until(() => world.relay.count === 1, "it is looked up");
  world.backends = backends;
  await world.relay.send({ ...world.message("stop"), urgent: true });
  assertEquals(world.bodies("a"), "stop");
  resolve();
  await slow;
  assertEquals(world.bodies("a"), "stop,1");
});

const BOUNDS = [
  { name: "messages to one server", limits: { relayedMessages: 16 }, want: 4 },
  { name: "bytes to one server", limits: { relayedBytes: 160 }, want: 4 },
  { name: "messages for one session", limits: {}, want: 128, sent: 70 },
];
for (const { name, limits, want, sent = 4 } of BOUNDS) {
  Deno.test(`so many ${name} are on their way, and no more`, async () => {
    const all = { timeoutMs: 60_000, relayedMessages: 1_000, ...limits };
    const world = new World({ relayedBytes: 10_000, ...all });
    const { promise, resolve } = Promise.withResolvers<void>();
    const later = () => promise.then(() => new Response(null, { status: 202 }));
    world.answers.set("a", later);
    world.answers.set("b", later);
    const sending = Array.from(
      { length: sent },
      () => world.relay.send(world.message("x".repeat(10))),
    );
    await until(() => world.complaints.length > 0, "one is too many");
    resolve();
    await Promise.all(sending);
    assertEquals(world.sent.length, want);
    assertEquals(world.relay.count, 0);
    await world.relay.send(world.message("the next"));
    assertEquals(world.sent.length, want + 2);
  });
}

Deno.test("a server that hangs takes no more than its share, and others have room", async () => {
  const world = new World({ timeoutMs: 60_000, relayedMessages: 32 });
  const { promise, resolve } = Promise.withResolvers<void>();
  world.answers.set(
    "a",
    () => promise.then(() => new Response(null, { status: 202 })),
  );
  const sending: Promise<void>[] = [];
  for (let i = 0; i < 20; i++) {
    sending.push(world.relay.send(world.message(`${i}`)));
    await until(
      () => world.sent.filter(({ to }) => to === "b").length > i,
      "b has it",
    );
  }
  assertEquals([world.relay.count, world.bodies("a")], [4, "0"]);
  sending.push(world.relay.send({ ...world.message("stop"), urgent: true }));
  await until(() => world.bodies("a") === "0,stop", "what is urgent has room");
  resolve();
  await Promise.all(sending);
});

Deno.test("messages that wait for the store are bounded, too", async () => {
  const world = new World({ relayedMessages: 3 });
  const { backends } = world;
  const { promise, resolve } = Promise.withResolvers<void>();
  world.backends = () => promise.then(backends);
  const sending = ["1", "2", "3", "4"].map((text) =>
    world.relay.send(world.message(text))
  );
  assertEquals([world.relay.count, world.complaints.length], [3, 1]);
  resolve();
  await Promise.all(sending);
  assertEquals([world.bodies("a"), world.relay.count], ["1,2,3", 0]);
});

Deno.test("a message that is larger than its share goes when it is the only one", async () => {
  const world = new World({ relayedBytes: 320 });
  await world.relay.send(world.message("x".repeat(100)));
  assertEquals([world.sent.length, world.complaints], [2, []]);
});

Deno.test("a client waits for what servers answer, but not for long", async () => {
  const world = new World({ timeoutMs: 60_000 });
  const { promise, resolve } = Promise.withResolvers<Response>();
  world.answers.set("a", () => promise);
  const started = performance.now();
  const asking = world.relay.ask(world.message("1"));
  let answered = false;
  asking.then(() => answered = true);
  await until(() => world.sent.length === 2, "both are asked");
  assertEquals(answered, false);
  await asking;
  const took = performance.now() - started;
  assertEquals([took >= 990, world.relay.count], [true, 1]);
  resolve(new Response(null, { status: 202 }));
  await world.relay.finish();
  assertEquals(world.relay.count, 0);
});
