import { assert, assertEquals, assertRejects } from "@std/assert";
import { until } from "../_testing/until.ts";
import { ClientConnection, type ConnectionLimits } from "./connection.ts";

const LIMITS: ConnectionLimits = {
  queueEvents: 4,
  queueBytes: 100,
  keepAliveMs: 60_000,
};

const encode = (text: string) => new TextEncoder().encode(text);

function open(limits: Partial<ConnectionLimits> = {}, first = "first ") {
  const state = { closed: 0 };
  const connection = new ClientConnection(
    { ...LIMITS, ...limits },
    encode(first),
    () => state.closed++,
  );
  return { connection, state };
}

async function textOf(connection: ClientConnection): Promise<string> {
  return await new Response(connection.body).text();
}

Deno.test("a connection sends what was queued, in order, and then ends", async () => {
  const { connection, state } = open();
  assert(connection.send(encode("1")));
  assert(connection.send(encode("2")));
  connection.end();
  assertEquals(connection.send(encode("late")), false);
  assertEquals(await textOf(connection), "first 12");
  assertEquals(state.closed, 1);
});

Deno.test("a connection that ends sends at least what it began with", async () => {
  const { connection, state } = open();
  connection.end();
  assertEquals(state.closed, 0);
  assertEquals(await textOf(connection), "first ");
  assertEquals(state.closed, 1);
});

Deno.test({
  name: "a connection that is over leaves no timer behind",
  sanitizeOps: true,
  sanitizeResources: true,
  fn: async () => {
    const ended = open().connection;
    ended.end();
    await textOf(ended);
    await open().connection.body.cancel();
    open().connection.abandon();
  },
});

Deno.test("a connection with nothing to send ends at once", async () => {
  const { connection, state } = open({}, "");
  connection.end();
  assertEquals(state.closed, 1);
  assertEquals(await textOf(connection), "");
});

Deno.test("a connection that is abandoned sends nothing more", async () => {
  const { connection, state } = open();
  connection.send(encode("1"));
  connection.abandon();
  assertEquals(state.closed, 1);
  assertEquals(await textOf(connection), "");
  connection.abandon();
  assertEquals(state.closed, 1);
});

Deno.test("a connection sends at once to who waits", async () => {
  const { connection, state } = open();
  const reader = connection.body.getReader();
  await reader.read();
  const next = reader.read();
  connection.send(encode("now"));
  assertEquals(new TextDecoder().decode((await next).value), "now");
  await reader.cancel();
  assertEquals(state.closed, 1);
  assertEquals(connection.send(encode("gone")), false);
});

for (
  const limits of [
    { queueEvents: 3, queueBytes: 1_000_000 },
    { queueEvents: 1_000, queueBytes: 60 },
  ]
) {
  Deno.test(`a client that does not read is closed at ${JSON.stringify(limits)}`, async () => {
    // What it begins with does not count: a client that comes back may have
    // missed more than may wait for one that does not read.
    const { connection, state } = open(limits, "x".repeat(100));
    let sent = 0;
    while (connection.send(encode("x".repeat(20)))) sent++;
    assertEquals(sent, 3);
    assertEquals(state.closed, 1);
    await assertRejects(() => textOf(connection), Error, "does not read");
  });
}

Deno.test("a silent connection is kept open with comments, one at a time", async () => {
  const { connection, state } = open({ keepAliveMs: 2 });
  const reader = connection.body.getReader();
  const read = async () =>
    new TextDecoder().decode((await reader.read()).value);
  assertEquals([await read(), await read(), await read()], [
    "first ",
    ": keep-alive\n\n",
    ": keep-alive\n\n",
  ]);
  let ticks = 0;
  const clock = setInterval(() => ticks++, 2);
  await until(() => ticks >= 10, "time for many comments");
  clearInterval(clock);
  // None waits: whoever does not read needs none.
  connection.send(encode("next"));
  const text = await read();
  assertEquals(text, "next");
  assert(connection.open);
  await reader.cancel();
  await until(() => state.closed === 1, "closed");
});

Deno.test("one event may wait however large it is: its client may well be reading", async () => {
  const { connection, state } = open({ queueBytes: 60 });
  assert(connection.send(encode("x".repeat(500))));
  assertEquals(connection.send(encode("y")), false);
  assertEquals(state.closed, 1);
  await assertRejects(() => textOf(connection), Error, "does not read");
});

Deno.test("a connection that ends waits for no client that does not read", async () => {
  const { connection, state } = open({ keepAliveMs: 5 });
  connection.send(encode("1"));
  connection.end();
  assertEquals(state.closed, 0);
  await until(() => state.closed === 1, "closed");
  await assertRejects(() => textOf(connection), Error, "does not read");
});

Deno.test("what waits for a client already is not said to it twice", async () => {
  const { connection } = open();
  for (const [text, key] of [["a", "k"], ["b"], ["c", "k"], ["d", "other"]]) {
    assert(connection.send(encode(text!), key));
  }
  const reader = connection.body.getReader();
  const read = async () =>
    new TextDecoder().decode((await reader.read()).value);
  assertEquals([await read(), await read()], ["first ", "a"]);
  // It does not wait any more: this is news.
  assert(connection.send(encode("e"), "k"));
  connection.end();
  const rest = [];
  for (let text = await read(); text !== ""; text = await read()) {
    rest.push(text);
  }
  assertEquals(rest, ["b", "d", "e"]);
});
