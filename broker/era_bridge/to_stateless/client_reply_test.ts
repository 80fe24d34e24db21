import { assertEquals } from "@std/assert";
import type { Wait } from "../../../shared/wait_on_timer.ts";
import { ClientReply } from "./client_reply.ts";

/** Time that passes when the test says so. */
class Clock {
  #waiting: (() => void)[] = [];

  readonly wait: Wait = (_ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      this.#waiting.push(resolve);
      signal.addEventListener("abort", () => resolve());
    });

  async pass(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
    await new Promise((resolve) => setTimeout(resolve));
  }
}

function begin(queueBytes = 1_000) {
  const clock = new Clock();
  const gone = new AbortController();
  const reply = new ClientReply(gone.signal, {
    keepAliveMs: 15_000,
    queueBytes,
    wait: clock.wait,
  });
  return { reply, clock, gone };
}

const ANSWER = {
  status: 502,
  text: '{"id":1}',
  headers: [["x-a", "b"]],
} as const;

Deno.test("ClientReply answers in JSON where nothing comes before the answer", async () => {
  const { reply } = begin();
  reply.answer(ANSWER);
  const response = await reply.response;
  assertEquals(response.status, 502);
  assertEquals(response.headers.get("content-type"), "application/json");
  assertEquals(response.headers.get("x-a"), "b");
  assertEquals(await response.text(), '{"id":1}');
});

Deno.test("ClientReply tells, asks and answers in events of one line each", async () => {
  const { reply } = begin();
  reply.notify('{\n"a":\r\n1}');
  assertEquals(reply.ask('{"q":1}'), true);
  reply.answer(ANSWER);
  reply.answer(ANSWER);
  const response = await reply.response;
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  assertEquals(
    await response.text(),
    'data: { "a": 1}\n\ndata: {"q":1}\n\ndata: {"id":1}\n\n',
  );
});

Deno.test("ClientReply begins a stream of comments where the answer takes long", async () => {
  const { reply, clock } = begin();
  await clock.pass();
  await clock.pass();
  reply.answer(ANSWER);
  assertEquals(
    await (await reply.response).text(),
    ': keep-alive\n\n: keep-alive\n\ndata: {"id":1}\n\n',
  );
});

Deno.test("ClientReply drops notifications, and nothing else, for a client that does not read", async () => {
  const { reply } = begin(16);
  reply.notify('{"first":1}');
  reply.notify('{"second":1}');
  reply.ask('{"q":1}');
  reply.answer(ANSWER);
  assertEquals(
    await (await reply.response).text(),
    'data: {"first":1}\n\ndata: {"q":1}\n\ndata: {"id":1}\n\n',
  );
});

Deno.test("ClientReply ends the reply to a cancelled call without an answer", async () => {
  const { reply } = begin();
  reply.end();
  reply.end();
  reply.notify("{}");
  assertEquals(await (await reply.response).text(), "");
});

Deno.test("ClientReply notices a client that goes away before the response", async () => {
  const { reply, gone, clock } = begin();
  gone.abort();
  assertEquals((await reply.response).status, 499);
  assertEquals([reply.left, reply.ask("{}")], [true, false]);
  await clock.pass();
  reply.notify("{}");
  reply.answer(ANSWER);
});

Deno.test("ClientReply notices a client that goes away in the middle of its stream", async () => {
  const { reply } = begin();
  reply.notify("{}");
  const { body } = await reply.response;
  assertEquals(reply.left, false);
  await body!.cancel();
  assertEquals([reply.left, reply.ask("{}")], [true, false]);
  reply.answer(ANSWER);
  reply.end();
});
