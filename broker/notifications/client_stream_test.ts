import { assert, assertEquals, assertRejects } from "@std/assert";
import { until } from "../_testing/until.ts";
import { ClientStream, type StreamLimits } from "./client_stream.ts";

const LIMITS: StreamLimits = {
  queueEvents: 4,
  queueBytes: 1_000,
  keepAliveMs: 60_000,
};

function open(limits: Partial<StreamLimits> = {}) {
  const state = { closed: 0 };
  const stream = new ClientStream(
    { ...LIMITS, ...limits },
    () => state.closed++,
  );
  return { stream, state };
}

async function textOf(stream: ClientStream): Promise<string> {
  return await new Response(stream.body).text();
}

Deno.test("a stream sends what was queued, in order, and then ends", async () => {
  const { stream, state } = open();
  assert(stream.send({ data: "1" }));
  assert(stream.send({ data: "2" }));
  stream.end();
  assertEquals(stream.send({ data: "late" }), false);
  assertEquals(
    await textOf(stream),
    ": open\n\ndata: 1\n\ndata: 2\n\nretry: 500\n\n",
  );
  assertEquals(state.closed, 1);
});

Deno.test("a stream sends at once to who waits", async () => {
  const { stream, state } = open();
  const reader = stream.body.getReader();
  await reader.read();
  const next = reader.read();
  stream.send({ data: "now" });
  assertEquals(
    new TextDecoder().decode((await next).value),
    "data: now\n\n",
  );
  await reader.cancel();
  assertEquals(state.closed, 1);
  assertEquals(stream.send({ data: "gone" }), false);
});

for (
  const limits of [
    { queueEvents: 4, queueBytes: 1_000_000 },
    { queueEvents: 1_000, queueBytes: 100 },
  ]
) {
  Deno.test(`a client that does not read is closed at ${JSON.stringify(limits)}`, async () => {
    const { stream, state } = open(limits);
    let sent = 0;
    while (stream.send({ data: "x".repeat(20) })) sent++;
    assertEquals(sent, 3);
    assertEquals(state.closed, 1);
    await assertRejects(() => textOf(stream), Error, "does not read");
  });
}

Deno.test("a silent stream is kept open with comments, one at a time", async () => {
  // One comment too many in the queue would close it.
  const { stream, state } = open({ keepAliveMs: 2, queueEvents: 1 });
  const reader = stream.body.getReader();
  const seen: string[] = [];
  for (let i = 0; i < 3; i++) {
    seen.push(new TextDecoder().decode((await reader.read()).value));
  }
  assertEquals(seen, [": open\n\n", ": keep-alive\n\n", ": keep-alive\n\n"]);
  let ticks = 0;
  const clock = setInterval(() => ticks++, 2);
  await until(() => ticks >= 10, "time for many comments");
  clearInterval(clock);
  assert(stream.open);
  await reader.cancel();
  await until(() => state.closed === 1, "closed");
});
