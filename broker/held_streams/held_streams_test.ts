import { assert, assertEquals } from "@std/assert";
import type { ServerConfig } from "../../shared/config/model.ts";
import { GatewayError } from "../../shared/errors.ts";
import { LIMITS } from "../../shared/limits.ts";
import type {
  ClientSession,
  OpenBackend,
  Subscription,
} from "../../shared/sessions/sessions.ts";
import { server } from "../../shared/_testing.ts";
import { recorder } from "../_testing/recorder.ts";
import { StreamServer } from "../_testing/stream_server.ts";
import { until } from "../_testing/until.ts";
import { Hub } from "../notifications/hub.ts";
import { REOPENING } from "./held_stream.ts";
import { HeldStreams } from "./held_streams.ts";
import { serveHint } from "./hint.ts";

/** Held streams among servers that only have streams, and a store by hand. */
class World implements AsyncDisposable {
  readonly http = new Map<string, StreamServer>();
  servers: ServerConfig[] = [];
  /** By client session. */
  readonly backends = new Map<string, OpenBackend[]>();
  revision: number | undefined = 1;
  looks = 0;
  away = false;
  /** Whether clients listen at this broker. */
  here = true;
  isHere = () => Promise.resolve(this.here);
  readonly claims: string[] = [];
  readonly subscribed: Subscription[] = [];
  readonly over = new Set<string>();
  readonly relisted: string[] = [];
  readonly log = recorder();
  readonly hub: Hub = new Hub({
    limits: { ...LIMITS, streamGraceMs: 60_000 },
    instance: "ab",
    onSilent: (session) => this.held.release(session),
  });
  readonly held: HeldStreams;

  constructor(heldStreams = 100) {
    this.held = new HeldStreams({
      fetch: (server, init) => this.http.get(server.name)!.fetch(server, init),
      headers: () => Promise.resolve([]),
      sessions: {
        backends: ({ id }) => {
          this.looks++;
          return this.away
            ? Promise.reject(new GatewayError({ kind: "store unavailable" }))
            : Promise.resolve(this.backends.get(id) ?? []);
        },
        revision: () => this.revision,
      },
      place: {
        claim: ({ id }) => Promise.resolve(void this.claims.push(id)),
        isHere: () => this.isHere(),
        leave: ({ id }) => Promise.resolve(void this.claims.push(`not ${id}`)),
      },
      subscriptions: () => Promise.resolve(this.subscribed),
      hub: this.hub,
      servers: () => this.servers,
      relist: (server, lists) => this.relisted.push(`${server}: ${lists}`),
      heldStreams,
      eventBytes: 100_000,
      unfinishedBytes: 50_000,
      reopening: REOPENING,
      // Polls come at once, everything else never.
      wait: (ms, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve());
          if (ms === 250) setTimeout(resolve, 1);
        }),
      random: () => 0,
      now: () => 0,
      log: this.log,
    });
  }

  add(name: string, given: Partial<ServerConfig> = {}): StreamServer {
    this.servers = [
      ...this.servers.filter((other) => other.name !== name),
      server(name, given),
    ];
    const http = this.http.get(name) ?? new StreamServer();
    this.http.set(name, http);
    return http;
  }

  /** Opens a backend session, as some router would. */
  open(session: string, name: string, id: string): void {
    const { fingerprint } = this.servers.find((one) => one.name === name)!;
    const others = (this.backends.get(session) ?? [])
      .filter((other) => other.server.name !== name);
    this.backends.set(session, [...others, {
      server: { name, fingerprint },
      backend: { id, revision: "2025-11-25" },
    }]);
  }

  /** Has a client listen. */
  async listen(session: string, authorization?: string, reads = true) {
    const stream = this.hub.open({
      id: session,
      revision: "2025-11-25",
      view: "",
      isLive: () => Promise.resolve(!this.over.has(session)),
    })!;
    await this.held.hold({ id: session } as ClientSession, authorization);
    let text = "";
    const got = () =>
      [...text.matchAll(/^data: (.+)$/gm)].map(([, data]) => data!);
    const sink = new WritableStream<string>({
      write: (chunk) => void (text += chunk),
    });
    if (reads) {
      stream.body.pipeThrough(new TextDecoderStream()).pipeTo(sink)
        .catch(() => {});
    }
    return { stream, got };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hub.endAll();
    await this.held.close();
  }
}

const told = (text: string) => ({ jsonrpc: "2.0", method: "x", params: text });

Deno.test("who listens hears each server of its own session, and only those", async () => {
  await using world = new World();
  const [a, b] = [world.add("a"), world.add("b")];
  world.open("one", "a", "a-1");
  world.open("one", "b", "b-1");
  world.open("two", "a", "a-2");
  const one = await world.listen("one");
  const two = await world.listen("two");
  const sessions = (http: StreamServer) =>
    http.open.map(({ headers }) => headers.get("mcp-session-id"));
  assertEquals([sessions(a), sessions(b)], [["a-1", "a-2"], ["b-1"]]);
  assertEquals(world.held.counts.open, 3);
  a.open[0]!.message(told("of a, for one"));
  b.open[0]!.message(told("of b, for one"));
  a.open[1]!.message({ jsonrpc: "2.0", id: 7, method: "ping" });
  a.open[1]!.message(told("of a, for two"));
  await until(() => one.got().length + two.got().length >= 4, "all arrived");
  assertEquals(one.got().map((text) => JSON.parse(text).params).sort(), [
    "of a, for one",
    "of b, for one",
  ]);
  assertEquals(two.got().length, 2);
  assert(/"id":"mcpgw:[^:]{8}:a:7"/.test(two.got()[0]!), two.got()[0]);
});

Deno.test("a changed list is read again, and no client hears of it from the server", async () => {
  await using world = new World();
  const a = world.add("a");
  world.open("one", "a", "a-1");
  const one = await world.listen("one");
  const method = "notifications/prompts/list_changed";
  a.open[0]!.message({ jsonrpc: "2.0", method });
  a.open[0]!.message(told("behind it"));
  await until(() => one.got().length > 0, "what is behind it arrived");
  assertEquals(world.relisted, ["a: prompts"]);
  assertEquals(one.got().length, 1);
});

Deno.test("a backend session that is opened later is noticed, and one that is gone is left", async () => {
  await using world = new World();
  const a = world.add("a");
  await world.listen("one");
  assertEquals(a.requests.length, 0);
  world.open("one", "a", "a-1");
  world.revision = 2;
  await until(() => a.open.length === 1, "held");
  world.open("one", "a", "a-2");
  world.revision = 3;
  await until(() => a.streams.length === 2, "the next held");
  await until(() => a.streams[0]!.left, "the former left");
  assertEquals(a.open[0]!.headers.get("mcp-session-id"), "a-2");
});

Deno.test("a store that cannot tell is looked at from time to time", async () => {
  await using world = new World();
  world.revision = undefined;
  const a = world.add("a");
  await world.listen("one");
  world.open("one", "a", "a-1");
  await until(() => a.open.length === 1, "held");
});

Deno.test("a store that did not change is left alone", async () => {
  await using world = new World();
  world.add("a");
  world.open("one", "a", "a-1");
  await world.listen("one");
  let ticks = 0;
  const clock = setInterval(() => ticks++, 2);
  await until(() => ticks >= 10, "time for many looks");
  clearInterval(clock);
  assertEquals(world.looks, 1);
});

Deno.test("streams of servers are left while the client listens at another broker", async () => {
  await using world = new World();
  const a = world.add("a");
  world.open("one", "a", "a-1");
  await world.listen("one");
  assertEquals([a.open.length, world.claims], [1, ["one"]]);
  world.here = false;
  world.revision = 2;
  await until(() => a.open.length === 0, "left");
  assert(world.hub.has("one"));
  world.here = true;
  world.revision = 3;
  await until(() => a.open.length === 1, "held again");
});

Deno.test("a client that leaves while its place is looked up is not taken to be here", async () => {
  await using world = new World();
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = false;
  world.isHere = async () => {
    asked = true;
    await promise;
    // As the store would have it: nobody else is there.
    world.claims.push("one, again");
    return true;
  };
  const listening = world.listen("one");
  await until(() => asked, "looked up");
  world.hub.endSession("one");
  resolve();
  await listening;
  await until(() => world.claims.includes("not one"), "left");
  assertEquals(world.claims, ["one", "one, again", "not one"]);
});

Deno.test("a broker that stops says that no client is here before it is done", async () => {
  const world = new World();
  await world.listen("one");
  await world.held.close();
  assertEquals(world.claims, ["one", "not one"]);
});

Deno.test("a server whose labels changed keeps its streams", async () => {
  await using world = new World();
  const a = world.add("a");
  world.open("one", "a", "a-1");
  await world.listen("one");
  const { looks } = world;
  world.add("a", { tags: ["new"], hint: "new", prefix: "n_", hostname: "n" });
  world.held.reconfigure();
  await until(() => world.looks > looks, "looked again");
  assertEquals([a.open.length, a.requests.length], [1, 1]);
  world.add("a", { tags: ["new"], credentialFor: ["calls"] });
  world.held.reconfigure();
  await until(() => a.streams.length === 2, "joined again");
});

Deno.test("events that no server finishes cost that server's streams, and no other's", async () => {
  await using world = new World();
  const [a, b] = [world.add("a"), world.add("b")];
  for (const id of ["one", "two"]) {
    world.open(id, "a", `a-${id}`);
    world.open(id, "b", `b-${id}`);
  }
  const one = await world.listen("one");
  const two = await world.listen("two");
  const long = `data: ${"x".repeat(40_000)}`;
  a.open[0]!.send(long);
  // Behind what was read before it.
  b.open[0]!.send(`${long}\n\n`);
  b.open[0]!.message(told("of b"));
  await until(() => one.got().length > 0, "b is heard");
  a.open[1]!.send(long);
  await until(() => a.open.length === 1, "the second is left");
  assertEquals(a.streams[0]!.left, false);
  a.open[0]!.send("\n\n");
  b.open[1]!.message(told("for two"));
  await until(() => two.got().length > 0, "two is heard");
  a.open[0]!.send(long);
  b.open[1]!.message(told("for two"));
  await until(() => two.got().length > 1, "two is heard again");
  assertEquals(a.open.length, 1);
});

Deno.test("streams of a server that was away are opened again, and no other's", async () => {
  await using world = new World();
  const [a, b] = [world.add("a"), world.add("b")];
  world.open("one", "a", "a-1");
  world.open("one", "b", "b-1");
  await world.listen("one");
  // This world waits for no more and no less.
  a.open[0]!.send("retry: 250\n");
  a.open[0]!.message(told("heard"));
  await until(() => world.hub.ringBytes > 0, "heard");
  world.held.reopen("a");
  await until(() => a.streams.length === 2, "opened again");
  assertEquals([a.streams[0]!.left, a.open.length], [true, 1]);
  assertEquals([b.open.length, b.requests.length], [1, 1]);
});

Deno.test("a stream that another broker's ended is not fought for", async () => {
  await using world = new World();
  const a = world.add("a");
  world.open("one", "a", "a-1");
  await world.listen("one");
  world.here = false;
  // It may be asked again at once, in this world.
  a.open[0]!.send("retry: 250\ndata: {}\n\n");
  a.open[0]!.end();
  await until(
    () => Object.values(world.held.counts).every((n) => n === 0),
    "left",
  );
  assertEquals(a.requests.length, 1);
});

Deno.test("who listens is told to read again what a server that lost its session was asked to follow", async () => {
  await using world = new World();
  const a = world.add("a");
  world.open("one", "a", "a-1");
  world.subscribed.push(
    { server: "a", uri: "notes://1" },
    { server: "b", uri: "notes://2" },
  );
  const one = await world.listen("one");
  a.answers = [404];
  a.open[0]!.send("retry: 250\ndata: {}\n\n");
  a.open[0]!.end();
  await until(() => one.got().length > 0, "told");
  assertEquals(one.got().map((text) => JSON.parse(text)), [{
    jsonrpc: "2.0",
    method: "notifications/resources/updated",
    params: { uri: "notes://1" },
  }]);
});

Deno.test("a client that may have missed updates is told to read all that it follows", async () => {
  await using world = new World();
  world.subscribed.push(
    { server: "a", uri: "notes://1" },
    { server: "b", uri: "notes://2" },
  );
  const one = await world.listen("one");
  await world.held.retell({ id: "one" } as ClientSession);
  await until(() => one.got().length === 2, "told");
  assertEquals(
    one.got().map((text) => JSON.parse(text).params.uri),
    ["notes://1", "notes://2"],
  );
});

Deno.test("a store that is away costs no stream", async () => {
  await using world = new World();
  const a = world.add("a");
  world.open("one", "a", "a-1");
  await world.listen("one");
  world.away = true;
  world.revision = 2;
  await until(() => world.looks > 1, "looked");
  world.open("one", "a", "a-2");
  assertEquals(a.open.length, 1);
  world.away = false;
  world.revision = 3;
  await until(() => a.streams.length === 2, "held again");
});

Deno.test("streams of servers end with the last stream of their client", async () => {
  await using world = new World();
  const a = world.add("a");
  world.open("one", "a", "a-1");
  const first = await world.listen("one");
  const second = await world.listen("one", undefined, false);
  first.stream.end();
  assertEquals(a.open.length, 1);
  // A connection that is lost is no stream that ended.
  await second.stream.body.cancel();
  assertEquals([a.open.length, a.requests.length], [1, 1]);
  a.open[0]!.message(told("kept"));
  await until(() => world.hub.ringBytes > 0, "kept for the client");
  world.hub.endSession("one");
  await until(() => a.open.length === 0, "left");
  assertEquals(world.held.counts.open, 0);
});

Deno.test("a session that ended elsewhere is left when the store says so", async () => {
  await using world = new World();
  const a = world.add("a");
  world.open("one", "a", "a-1");
  const { stream } = await world.listen("one");
  world.over.add("one");
  world.revision = 2;
  await until(() => stream.state === "ended", "the client's stream ended");
  await until(() => a.open.length === 0, "the server's stream left");
});

Deno.test("a server that changed is left, and joined again as it is now", async () => {
  await using world = new World();
  const [a, b] = [world.add("a"), world.add("b")];
  world.open("one", "a", "a-1");
  world.open("one", "b", "b-1");
  await world.listen("one");
  world.add("a", { passthrough: true });
  world.held.reconfigure();
  await until(() => a.streams.length === 2, "joined again");
  assertEquals([a.streams[0]!.left, a.open.length], [true, 1]);
  assertEquals([b.open.length, b.requests.length], [1, 1]);
  for (
    const given of [{ state: "Disabled" as const }, { fingerprint: "new" }]
  ) {
    world.add("b", given);
    const before = b.streams.length;
    const { looks } = world;
    world.held.reconfigure();
    await until(() => world.looks > looks, "looked again");
    await until(() => b.open.length === 0, `b left: ${JSON.stringify(given)}`);
    world.add("b");
    world.held.reconfigure();
    await until(() => b.open.length === 1, "b joined again");
    assertEquals(b.streams.length, before + 1);
  }
  world.servers = [];
  world.held.reconfigure();
  await until(() => a.open.length === 0, "a left");
});

Deno.test("a server that refused the client's credential is tried with the next", async () => {
  await using world = new World();
  const a = world.add("a", { passthrough: true });
  const b = world.add("b");
  a.answers = b.answers = [401];
  world.open("one", "a", "a-1");
  world.open("one", "b", "b-1");
  await world.listen("one", "Bearer old");
  await world.listen("one", "Bearer old");
  assertEquals([a.requests.length, b.requests.length], [1, 1]);
  await world.listen("one", "Bearer new");
  assertEquals([a.requests.length, b.requests.length], [2, 1]);
  assertEquals(a.requests[1]!.get("authorization"), "Bearer new");
});

Deno.test("so many streams are held and no more, and the next when there is room", async () => {
  await using world = new World(1);
  const a = world.add("a");
  world.open("one", "a", "a-1");
  world.open("two", "a", "a-2");
  const one = await world.listen("one");
  await world.listen("two");
  assertEquals(a.open.length, 1);
  await until(() => world.looks > 5, "looked in vain");
  const warned = world.log.records.filter(({ level }) => level === "warn");
  assertEquals(warned.length, 1);
  one.stream.end();
  await until(
    () => a.open[0]?.headers.get("mcp-session-id") === "a-2",
    "the next one is held",
  );
});

Deno.test("the router's word is answered once the stream is open", async () => {
  await using world = new World();
  const a = world.add("a");
  await world.listen("one");
  world.open("one", "a", "a-1");
  const hint = (body: string) =>
    serveHint(
      new Request("http://internal.test/held-streams", {
        method: "POST",
        body,
      }),
      world.held,
    );
  const known = await hint('{"session":"one","server":"a"}');
  assertEquals([known.status, a.open.length], [204, 1]);
  const slow = world.add("slow");
  slow.answers = ["later"];
  world.open("one", "slow", "slow-1");
  let answered = false;
  const asking = hint('{"session":"one","server":"slow"}')
    .then(({ status }) => {
      answered = true;
      return status;
    });
  await until(() => slow.requests.length === 1, "asked");
  // The other servers' streams are no reason to wait, nor to answer.
  assertEquals((await hint('{"session":"one","server":"a"}')).status, 204);
  assertEquals(answered, false);
  slow.release();
  assertEquals([await asking, slow.open.length], [204, 1]);
  const other = await hint('{"session":"two","server":"a"}');
  assertEquals(other.status, 404);
  for (const body of ["", "[]", '{"session":1,"server":"a"}']) {
    assertEquals((await hint(body)).status, 400, body);
  }
  const large = JSON.stringify({ session: "x".repeat(20_000), server: "a" });
  assertEquals((await hint(large)).status, 400);
});

Deno.test("nobody waits for long for a server that does not answer", async () => {
  await using world = new World();
  const a = world.add("a");
  a.answers = ["hang"];
  world.open("one", "a", "a-1");
  let waited = false;
  const listening = world.listen("one").then(() => waited = true);
  await until(() => a.requests.length === 1, "asked");
  assertEquals(waited, false);
  // The wait for the server is the only one that ends with the process.
  await world.held.close();
  await listening;
  assertEquals(world.held.counts.open, 0);
});
