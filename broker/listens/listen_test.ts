import { assert, assertEquals, assertRejects } from "@std/assert";
import { Listener } from "./_testing.ts";
import { Listen, type ListenOptions } from "./listen.ts";

const OWNER = { identity: "i", caller: "c", view: "" };

function open(given: Partial<ListenOptions> = {}) {
  const state = { closed: 0, messages: 0 };
  const listen = new Listen({
    id: "1",
    owner: OWNER,
    lists: ["tools", "resources"],
    serverMeta: { v: 1 },
    limits: { queueEvents: 4, queueBytes: 10_000, keepAliveMs: 60_000 },
    onClose: () => state.closed++,
    onMessage: () => state.messages++,
    ...given,
  });
  return { listen, state };
}

const update = (uri: string) =>
  new TextEncoder().encode(JSON.stringify({ uri }));

Deno.test("a stream begins with a byte, then its acknowledgement, whatever happened before", async () => {
  const { listen } = open();
  const listener = new Listener(listen.body);
  listen.listChanged("tools");
  listen.resourceUpdated(update("a:1"));
  listen.resourceUpdated(update("b:1"));
  listen.listChanged("tools");
  listen.acknowledge(["a:1"]);
  await listener.come(3);
  assertEquals(listener.methods, [
    "subscriptions/acknowledged",
    "tools/list_changed",
    "resources/updated",
  ]);
  assertEquals(listener.messages[0].params.notifications, {
    toolsListChanged: true,
    resourcesListChanged: true,
    resourceSubscriptions: ["a:1"],
  });
  assertEquals(listener.messages[2].params.uri, "a:1");
  listener.leave();
});

Deno.test("a stream is acknowledged once", async () => {
  const { listen } = open();
  const listener = new Listener(listen.body);
  listen.acknowledge([]);
  listen.acknowledge(["a:1"]);
  listen.end();
  await listener.over;
  assertEquals(listener.methods, ["subscriptions/acknowledged", "response"]);
});

Deno.test("a stream says only what was asked for", async () => {
  const { listen } = open();
  const listener = new Listener(listen.body);
  listen.acknowledge(["a:1"]);
  assertEquals(listen.listChanged("prompts"), false);
  assertEquals(listen.listChanged("resources"), true);
  listen.resourceUpdated(update("b:1"));
  listen.resourceUpdated(update("a:1/part"));
  listen.resourceUpdated(new TextEncoder().encode("[]"));
  listen.end();
  await listener.over;
  assertEquals(listener.methods, [
    "subscriptions/acknowledged",
    "resources/list_changed",
    "resources/updated",
    "response",
  ]);
});

Deno.test("what its client has not read yet is not said again", async () => {
  const { listen, state } = open();
  listen.acknowledge(["a:1"]);
  for (let i = 0; i < 1_000; i++) {
    listen.listChanged("tools");
    listen.resourceUpdated(update("a:1"));
  }
  assertEquals(state.closed, 0);
  const listener = new Listener(listen.body);
  listen.end();
  await listener.over;
  assertEquals(listener.methods, [
    "subscriptions/acknowledged",
    "tools/list_changed",
    "resources/updated",
    "response",
  ]);
});

Deno.test("a client that reads nothing of much news is closed", async () => {
  const { listen, state } = open();
  const uris = ["a:1", "a:2", "a:3", "a:4", "a:5"];
  listen.acknowledge(uris);
  for (const uri of uris) listen.resourceUpdated(update(uri));
  assertEquals(state.closed, 1);
  await assertRejects(() => new Response(listen.body).text());
});

Deno.test("a stream that is ended early is acknowledged, then complete", async () => {
  const { listen, state } = open();
  const listener = new Listener(listen.body);
  listen.end();
  listen.listChanged("tools");
  listen.acknowledge([]);
  await listener.over;
  assertEquals(listener.methods, ["subscriptions/acknowledged", "response"]);
  assertEquals(listener.messages[1].result, {
    resultType: "complete",
    _meta: { "io.modelcontextprotocol/subscriptionId": 1, v: 1 },
  });
  assertEquals([state.closed, listen.signal.aborted], [1, true]);
});

Deno.test("a client that goes away ends its stream", async () => {
  const { listen, state } = open();
  const reader = listen.body.getReader();
  await reader.read();
  assert(!listen.signal.aborted);
  await reader.cancel();
  assertEquals([state.closed, listen.signal.aborted], [1, true]);
  listen.acknowledge([]);
  assertEquals(listen.listChanged("tools"), true);
});
