import { assert, assertEquals } from "@std/assert";
import { server } from "../../shared/_testing.ts";
import { recorder } from "../_testing/recorder.ts";
import { type GetAnswer, StreamServer } from "../_testing/stream_server.ts";
import { until } from "../_testing/until.ts";
import { HeldStream, REOPENING } from "./held_stream.ts";

/** A held stream on a server, with a clock that never waits. */
class World implements AsyncDisposable {
  readonly http = new StreamServer();
  readonly data: string[] = [];
  readonly waits: number[] = [];
  readonly told: string[] = [];
  readonly log = recorder();
  now = 0;
  credentials: () => Promise<[string, string][]> = () =>
    Promise.resolve([["x-key", "k"]]);
  readonly stream: HeldStream;

  constructor(answers: readonly GetAnswer[] = ["stream"], passthrough = false) {
    this.http.answers = answers;
    const backend = {
      server: server("weather", { passthrough }),
      session: { id: "s-1", revision: "2025-06-18" },
      source: { server: "weather", tag: "aBcDeF12" },
    };
    this.stream = new HeldStream(backend, {
      fetch: this.http.fetch,
      headers: () => this.credentials(),
      authorization: () => "Bearer client",
      onData: (data) => this.data.push(data),
      onInterrupted: () => void this.told.push("interrupted"),
      onLost: () => void this.told.push("lost"),
      eventBytes: 200,
      mayHold: () => true,
      reopening: REOPENING,
      // Waits for a turn of the loop, so that nothing spins.
      wait: (ms, signal) => {
        if (!signal.aborted) this.waits.push(ms);
        return new Promise((resolve) => setTimeout(resolve, 0));
      },
      random: () => 0,
      now: () => this.now,
      log: this.log,
    });
  }

  async opened(count: number) {
    await until(
      () => this.http.streams.length === count,
      `${count} streams opened`,
    );
    return this.http.streams[count - 1]!;
  }

  async heard(...data: string[]) {
    await until(() => this.data.length >= data.length, `${data} heard`);
    assertEquals(this.data, data);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stream.close();
    await this.stream.finished;
  }
}

Deno.test("a held stream names its session, revision and credentials, and is heard", async () => {
  await using world = new World();
  await world.stream.settled;
  const [headers] = world.http.requests;
  assertEquals(Object.fromEntries(headers!), {
    accept: "text/event-stream",
    "mcp-protocol-version": "2025-06-18",
    "mcp-session-id": "s-1",
    "x-key": "k",
  });
  assertEquals(world.stream.state, "open");
  const stream = await world.opened(1);
  stream.send(": hi\n\nid: 1\ndata:\n\ndata: a\ndata: b\n\n");
  await world.heard("a\nb");
});

Deno.test("the client's credential goes to servers that get to see it", async () => {
  await using world = new World(["stream"], true);
  await world.stream.settled;
  assertEquals(world.http.requests[0]!.get("authorization"), "Bearer client");
});

Deno.test("a stream that ends is opened again behind its last event, when the server says", async () => {
  await using world = new World();
  const first = await world.opened(1);
  first.send("id: e-1\nretry: 700\ndata: 1\n\n");
  await world.heard("1");
  first.end();
  const second = await world.opened(2);
  assertEquals(second.headers.get("last-event-id"), "e-1");
  assertEquals(world.waits, [700]);
  second.send("id: e-2\ndata: 2\n\n");
  await world.heard("1", "2");
  second.break();
  const third = await world.opened(3);
  assertEquals(third.headers.get("last-event-id"), "e-2");
  assertEquals(world.waits, [700, 700]);
});

Deno.test("no server is waited for longer than a minute, whatever it says", async () => {
  await using world = new World();
  const first = await world.opened(1);
  first.send("retry: 86400000\ndata: 1\n\n");
  await world.heard("1");
  first.end();
  await world.opened(2);
  assertEquals(world.waits, [60_000]);
});

Deno.test("an event id that is no header is not sent back", async () => {
  await using world = new World();
  const first = await world.opened(1);
  first.send("id: e-1\ndata: 1\n\nid: é\ndata: 2\n\n");
  await world.heard("1", "2");
  first.end();
  const second = await world.opened(2);
  assertEquals(second.headers.get("last-event-id"), null);
});

Deno.test("a server that falters is tried later and later", async () => {
  const answers = ["fail", 500, 429, 409, "fail", "stream"] as const;
  await using world = new World(answers);
  const stream = await world.opened(1);
  assertEquals(world.waits, [125, 250, 500, 1_000, 2_000]);
  // One that lasts, or has something to say, is well again.
  stream.message({});
  await world.heard("{}");
  stream.break();
  const silent = await world.opened(2);
  silent.end();
  const lasting = await world.opened(3);
  world.now += 1_000;
  lasting.end();
  await world.opened(4);
  assertEquals(world.waits.slice(5), [100, 125, 100]);
});

Deno.test("a credential that cannot be read is tried again", async () => {
  await using world = new World(["stream", "stream"]);
  await world.opened(1);
  world.credentials = () => {
    world.credentials = () => Promise.resolve([["x-key", "new"]]);
    return Promise.reject(new Error("no such file"));
  };
  world.http.streams[0]!.end();
  const second = await world.opened(2);
  assertEquals(second.headers.get("x-key"), "new");
});

for (
  const [status, unauthorized] of [
    [405, false],
    [400, false],
    [401, true],
    [404, false],
    [302, false],
    [204, false],
  ] as const
) {
  Deno.test(`a server that answers ${status} is not asked again`, async () => {
    await using world = new World([status]);
    await world.stream.settled;
    await world.stream.finished;
    assertEquals(world.stream.state, "absent");
    assertEquals(world.stream.unauthorized, unauthorized);
    assertEquals([world.http.requests.length, world.waits], [1, []]);
  });
}

Deno.test("a server that does not know the event is asked without it, once", async () => {
  await using world = new World(["stream", 400, "stream"]);
  const first = await world.opened(1);
  first.send("id: e-1\ndata: 1\n\n");
  await world.heard("1");
  first.end();
  const second = await world.opened(2);
  assertEquals(world.http.requests[1]!.get("last-event-id"), "e-1");
  assertEquals(second.headers.get("last-event-id"), null);
  world.http.answers = [400];
  second.end();
  await world.stream.finished;
  assertEquals(world.stream.state, "absent");
});

Deno.test("a server that has no time yet is asked for the same event later", async () => {
  await using world = new World(["stream", 409, "stream"]);
  const first = await world.opened(1);
  first.send("id: e-1\ndata: 1\n\n");
  await world.heard("1");
  first.end();
  const second = await world.opened(2);
  assertEquals(second.headers.get("last-event-id"), "e-1");
});

for (
  const [answer, waited] of [
    ["fail", false],
    [500, false],
    // Another broker, which the client has left, is about to let go.
    [409, true],
  ] as const
) {
  Deno.test(`a server that answers ${answer} is ${waited ? "" : "not "}waited for`, async () => {
    await using world = new World([answer]);
    let settled = false;
    world.stream.settled.then(() => settled = true);
    await until(() => world.http.requests.length >= 3, "tried again");
    assertEquals([settled, world.stream.state], [!waited, "opening"]);
  });
}

Deno.test("a session that is lost is lost, whatever event came last", async () => {
  await using world = new World(["stream", 404]);
  const first = await world.opened(1);
  first.send("id: e-1\ndata: 1\n\n");
  await world.heard("1");
  first.end();
  await world.stream.finished;
  assertEquals(world.http.requests.length, 2);
  assertEquals(world.told, ["interrupted", "lost"]);
});

Deno.test("a session is lost, too, where its server answers 400 to it", async () => {
  await using world = new World(["stream", 400]);
  const first = await world.opened(1);
  first.send("id: e-1\ndata: 1\n\n");
  await world.heard("1");
  first.end();
  await world.stream.finished;
  assertEquals(world.http.requests.length, 3);
  assertEquals(world.told, ["interrupted", "lost"]);
});

Deno.test("a server that has nothing to say but where its stream begins is asked later and later", async () => {
  await using world = new World();
  for (let i = 1; i <= 4; i++) {
    const stream = await world.opened(i);
    stream.send(`id: e-${i}\ndata:\n\n`);
    stream.end();
  }
  await world.opened(5);
  assertEquals(world.waits, [125, 250, 500, 1_000]);
  assertEquals(world.http.requests[4]!.get("last-event-id"), "e-4");
});

Deno.test("a server that never had a stream has lost nothing", async () => {
  await using world = new World([500, 404]);
  await world.stream.finished;
  assertEquals(world.told, []);
});

Deno.test("an event that is too large is not asked for for ever", async () => {
  await using world = new World();
  const first = await world.opened(1);
  first.send(`id: e-1\ndata: 1\n\nid: e-2\ndata: ${"x".repeat(300)}`);
  const second = await world.opened(2);
  assertEquals(second.headers.get("last-event-id"), null);
  assertEquals(world.data, ["1"]);
});

Deno.test("a stream whose connection may be dead is opened again behind its last event", async () => {
  await using world = new World(["hang", "stream"]);
  await until(() => world.http.requests.length === 1, "asked");
  world.stream.reopen();
  const first = await world.opened(1);
  first.send("id: e-1\ndata: 1\n\n");
  await world.heard("1");
  world.stream.reopen();
  const second = await world.opened(2);
  assertEquals([first.left, second.left], [true, false]);
  assertEquals(second.headers.get("last-event-id"), "e-1");
  assertEquals(world.stream.state, "open");
});

Deno.test("a held stream that is closed is left, opening or open", async () => {
  const opening = new World(["hang"]);
  await until(() => opening.http.requests.length === 1, "asked");
  opening.stream.close();
  await opening.stream.settled;
  await opening.stream.finished;
  const open = new World();
  const stream = await open.opened(1);
  open.stream.close();
  await open.stream.finished;
  assert(stream.left);
  assertEquals([opening.stream.state, open.stream.state], ["closed", "closed"]);
});
