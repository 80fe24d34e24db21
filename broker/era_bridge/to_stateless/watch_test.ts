import { assertEquals } from "@std/assert";
import { server as serverConfig } from "../../../shared/_testing.ts";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import { recorder } from "../../_testing/recorder.ts";
import {
  error,
  OpenAnswer,
  result,
  type StatelessAnswer,
  StatelessServers,
} from "../../_testing/stateless_servers.ts";
import { until } from "../../_testing/until.ts";
import {
  watchResourcesStateless,
  type WatchStart,
  watchStateless,
} from "./watch.ts";

const ID = '"io.modelcontextprotocol/subscriptionId":"watch-1"';
const acknowledge = (filter: string) =>
  `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{${ID}},"notifications":${filter}}}`;
const updated = (params: string) =>
  `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":${params}}`;
const BOTH = '{"resourceSubscriptions":["a://1","a://2","b://9"]}';

/** Somebody who watches `a://1` and `a://2`. */
class World {
  readonly servers = new StatelessServers();
  readonly told: string[] = [];
  readonly ending = new AbortController();
  readonly waits: { readonly ms: number; readonly pass: () => void }[] = [];

  readonly #wait: Wait = (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      this.waits.push({ ms, pass: resolve });
      signal.addEventListener("abort", () => resolve());
    });

  readonly access = {
    fetch: this.servers.fetch,
    headers: () => Promise.resolve([["x-key", "k"]] as const),
    answerBytes: 10_000,
    log: recorder(),
    clientInfo: { name: "gateway", version: "1" },
    acknowledgeMs: 8_000,
    reopening: { backoffMs: 100, maxBackoffMs: 1_000 },
    wait: this.#wait,
    random: () => 1,
    nextId: () => '"watch-1"',
  };
  readonly watch = {
    server: serverConfig("a", { era: "stateless", passthrough: true }),
    uris: ["a://1", "a://2"],
    identity: "",
    authorization: "Bearer t",
    onUpdated: (params: Uint8Array) =>
      void this.told.push(new TextDecoder().decode(params)),
    signal: this.ending.signal,
  };

  start(answers: readonly StatelessAnswer[]): Promise<WatchStart> {
    this.servers.answers = answers;
    return watchStateless(this.watch, this.access);
  }

  /** Lets the time pass until a stream is opened again. */
  async reopen(): Promise<void> {
    const open = this.servers.seen.length;
    const isPause = ({ ms }: { readonly ms: number }) => ms <= 1_000;
    await until(() => this.waits.some(isPause), "it waits");
    for (const wait of this.waits.filter(isPause)) {
      this.waits.splice(this.waits.indexOf(wait), 1);
      wait.pass();
    }
    await until(() => this.servers.seen.length > open, "it is opened again");
  }
}

Deno.test("watchStateless() asks for updates, and tells of them without the subscription", async () => {
  const world = new World();
  const open = new OpenAnswer();
  const started = world.start([open.answer]);
  await until(() => open.request !== undefined, "it is asked");
  const { params, headers, method } = world.servers.last;
  assertEquals(method, "subscriptions/listen");
  assertEquals(params.notifications, {
    resourceSubscriptions: ["a://1", "a://2"],
  });
  assertEquals(headers.get("authorization"), "Bearer t");
  assertEquals(headers.get("x-key"), "k");
  open.send(acknowledge('{"resourceSubscriptions":["a://2","b://9"]}'));
  assertEquals(await started, { kind: "watching", uris: ["a://2"] });
  open.send(updated(`{"_meta":{${ID}}, "uri":"a://2","n":9007199254740993}`));
  open.send(updated(`{"uri":"a://2","_meta":{"x":1e400,${ID}}}`));
  open.send(updated("[]"));
  open.send('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}');
  open.send(updated('{"uri":"a://2/sub"}'));
  await until(() => world.told.length === 3, "it is told");
  assertEquals(world.told, [
    '{"uri":"a://2","n":9007199254740993}',
    '{"uri":"a://2","_meta":{"x":1e400}}',
    '{"uri":"a://2/sub"}',
  ]);
  world.ending.abort();
  await until(() => open.left, "the stream is ended");
});

Deno.test("watchStateless() opens a stream again that ended or broke, and tells of everything then", async () => {
  const world = new World();
  const [one, two, three] = [
    new OpenAnswer(),
    new OpenAnswer(),
    new OpenAnswer(),
  ];
  const refused: StatelessAnswer = () =>
    Promise.reject(new TypeError("client error (Connect)"));
  const started = world.start([one.answer, two.answer, refused, three.answer]);
  await until(() => one.request !== undefined, "it is asked");
  one.send(acknowledge(BOTH));
  assertEquals((await started).kind, "watching");
  one.finish('{"resultType":"complete"}');
  await world.reopen();
  two.send(acknowledge(BOTH));
  await until(() => world.told.length === 2, "it is told");
  assertEquals(world.told, ['{"uri":"a://1"}', '{"uri":"a://2"}']);
  two.end();
  await world.reopen();
  await world.reopen();
  three.send(acknowledge(BOTH));
  await until(() => world.told.length === 4, "it is told again");
  world.ending.abort();
  await until(() => three.left, "the stream is ended");
});

Deno.test("watchStateless() comes back to a server that told before, even if it refuses for a while", async () => {
  const world = new World();
  const [one, two] = [new OpenAnswer(), new OpenAnswer()];
  const started = world.start([
    one.answer,
    error('{"code":-32601,"message":"no"}', 404),
    two.answer,
  ]);
  await until(() => one.request !== undefined, "it is asked");
  one.send(acknowledge(BOTH));
  assertEquals((await started).kind, "watching");
  one.end();
  await world.reopen();
  await world.reopen();
  two.send(acknowledge(BOTH));
  await until(() => world.told.length === 2, "it is told");
  world.ending.abort();
});

const REFUSED: readonly (readonly [name: string, answer: StatelessAnswer])[] = [
  ["has no such method", error('{"code":-32601,"message":"no"}', 404)],
  ["honours nothing of it", () => {
    const text = `data: ${acknowledge('{"toolsListChanged":true}')}\n\n`;
    return new Response(text, {
      headers: { "content-type": "text/event-stream" },
    });
  }],
];
for (const [name, answer] of REFUSED) {
  Deno.test(`watchStateless() gives up where a server ${name}`, async () => {
    const world = new World();
    assertEquals(await world.start([answer]), { kind: "refused" });
    assertEquals(world.servers.seen.length, 1);
    const resources = watchResourcesStateless(world.access);
    assertEquals(await resources(world.watch), []);
  });
}

const UNREACHABLE: readonly (readonly [string, StatelessAnswer])[] = [
  ["is not there", () => Promise.reject(new TypeError("(Connect)"))],
  ["refuses the credential", () => new Response(null, { status: 401 })],
  ["answers nothing of MCP", () => new Response("gone?", { status: 404 })],
  ["says nothing of it", result('{"resultType":"complete"}')],
];
for (const [name, answer] of UNREACHABLE) {
  Deno.test(`watchStateless() says so at once where a server ${name}`, async () => {
    const world = new World();
    assertEquals(await world.start([answer]), { kind: "unreachable" });
    assertEquals(world.servers.seen.length, 1);
  });
}

Deno.test("watchStateless() waits for an acknowledgement, but not for ever", async () => {
  const world = new World();
  const open = new OpenAnswer();
  const started = world.start([open.answer]);
  await until(() => open.request !== undefined, "it is asked");
  for (const { ms, pass } of world.waits) if (ms === 8_000) pass();
  assertEquals(await started, { kind: "unreachable" });
  assertEquals(open.left, true);
});

Deno.test("watchStateless() is over when nobody watches any more", async () => {
  const world = new World();
  const open = new OpenAnswer();
  const started = world.start([open.answer]);
  await until(() => open.request !== undefined, "it is asked");
  world.ending.abort();
  assertEquals(await started, { kind: "unreachable" });
  assertEquals(open.left, true);
});
