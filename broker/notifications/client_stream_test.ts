import { assert, assertEquals } from "@std/assert";
import { until } from "../_testing/until.ts";
import {
  ClientStream,
  type StreamLimits,
  type StreamState,
} from "./client_stream.ts";

const LIMITS: StreamLimits = {
  queueEvents: 4,
  queueBytes: 1_000,
  keepAliveMs: 60_000,
  ringEvents: 3,
  ringBytes: 1_000,
  streamGraceMs: 60_000,
};

function open(limits: Partial<StreamLimits> = {}, primes = true) {
  const states: StreamState[] = [];
  const stream = new ClientStream({
    instance: "ab",
    number: 7,
    primes,
    limits: { ...LIMITS, ...limits },
    onChange: ({ state }) => {
      if (states.at(-1) !== state) states.push(state);
    },
  });
  return { stream, states };
}

async function textOf(body: ReadableStream<Uint8Array<ArrayBuffer>>) {
  return await new Response(body).text();
}

Deno.test("a stream begins with an id and ends with when to come back", async () => {
  const { stream, states } = open();
  stream.send("{}");
  stream.end();
  stream.send("late");
  assertEquals(
    await textOf(stream.body),
    "id: ab-7-0\ndata: \n\nid: ab-7-1\ndata: {}\n\nretry: 500\n\n",
  );
  assertEquals(states.at(-1), "ended");
  assertEquals(stream.ringBytes, 0);
});

Deno.test("a stream to a client of an earlier revision has no event without a message", async () => {
  const { stream } = open({}, false);
  stream.send("{}");
  stream.end();
  assertEquals(
    await textOf(stream.body),
    ": open\n\nid: ab-7-1\ndata: {}\n\n",
  );
});

Deno.test("a stream goes on behind the event that its client names, in order, once", async () => {
  const { stream, states } = open();
  stream.send("1");
  await stream.body.cancel();
  stream.send("2");
  stream.send("3");
  assertEquals(stream.state, "waiting");
  assert(stream.resume(1));
  stream.send("4");
  stream.end();
  assertEquals(
    await textOf(stream.body),
    ": resumed\n\nid: ab-7-2\ndata: 2\n\nid: ab-7-3\ndata: 3\n\nid: ab-7-4\ndata: 4\n\nretry: 500\n\n",
  );
  assertEquals(states, ["connected", "waiting", "connected", "ended"]);
});

Deno.test("a stream taken up again ends the connection that it had", async () => {
  const { stream, states } = open();
  const old = stream.body;
  stream.send("1");
  assert(stream.resume(0));
  stream.send("2");
  assertEquals(await textOf(old), "");
  assertEquals(states, ["connected"]);
  stream.end();
  assertEquals(
    await textOf(stream.body),
    ": resumed\n\nid: ab-7-1\ndata: 1\n\nid: ab-7-2\ndata: 2\n\nretry: 500\n\n",
  );
});

Deno.test("a stream is not taken up where events are lost, or never were", async () => {
  const { stream } = open();
  await stream.body.cancel();
  for (const data of "1234") stream.send(data);
  assertEquals([stream.resume(0), stream.resume(5)], [false, false]);
  assertEquals(stream.state, "waiting");
  assert(stream.resume(1));
  stream.end();
  assertEquals(stream.resume(4), false);
  await stream.body.cancel();
});

Deno.test("a client that does not read is closed, and can come back for it", async () => {
  const { stream } = open({ ringEvents: 100 });
  for (const data of "123456") stream.send(data);
  assertEquals(stream.state, "waiting");
  assert(stream.resume(0));
  stream.end();
  const text = await textOf(stream.body);
  assertEquals(
    [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data),
    ["1", "2", "3", "4", "5", "6"],
  );
});

Deno.test("a stream that nobody comes back to ends after its grace", async () => {
  const { stream, states } = open({ streamGraceMs: 5 });
  stream.send("1");
  await stream.body.cancel();
  await until(() => stream.state === "ended", "the grace is over");
  assertEquals(states, ["connected", "waiting", "ended"]);
  assertEquals(stream.ringBytes, 0);
  assertEquals(stream.resume(1), false);
});

Deno.test("a stream that somebody came back to does not end with the grace of before", async () => {
  const { stream } = open({ streamGraceMs: 20 });
  await stream.body.cancel();
  assert(stream.resume(0));
  let over = false;
  const timer = setTimeout(() => over = true, 40);
  await until(() => over, "a longer time than the grace");
  clearTimeout(timer);
  assertEquals(stream.state, "connected");
  stream.end();
  await stream.body.cancel();
});
