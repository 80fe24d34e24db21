import { assert, assertEquals } from "@std/assert";
import { SILENT } from "../../shared/_testing.ts";
import { GatewayError } from "../../shared/errors.ts";
import { waitOnTimer } from "../../shared/wait_on_timer.ts";
import { until } from "../_testing/until.ts";
import { answerBatch, type BatchSettings } from "./answer_batch.ts";
import { ANSWER_PATIENCE, type BatchedCall } from "./call_answer.ts";

const SETTINGS: BatchSettings = {
  ...ANSWER_PATIENCE,
  answerBytes: 1 << 20,
  callsAtOnce: 2,
  keepAliveMs: 60_000,
  wait: waitOnTimer,
  log: SILENT,
};

function reply(id: string, result = "{}"): string {
  return `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
}

function own(id: string, respond = () => Promise.resolve(reply(id))) {
  return {
    id,
    respond: async () => new TextEncoder().encode(await respond()),
  };
}

/** A call that is answered when the test says so. */
class Held implements BatchedCall {
  readonly id: string;
  signal: AbortSignal | undefined;
  readonly #answer = Promise.withResolvers<Response>();

  constructor(id: string) {
    this.id = id;
  }

  get sent(): boolean {
    return this.signal !== undefined;
  }

  open(_: string | undefined, signal: AbortSignal): Promise<Response> {
    this.signal = signal;
    signal.addEventListener("abort", () => this.#answer.reject(signal.reason));
    return this.#answer.promise;
  }

  answer(text = reply(this.id)): void {
    this.#answer.resolve(
      new Response(text, { headers: { "content-type": "application/json" } }),
    );
  }
}

Deno.test("answerBatch() gives its own answers at once, others as they come, and ends", async () => {
  const calls = [new Held("1"), new Held("2")];
  const body = answerBatch({ own: [own('"a"'), own('"b"')], calls }, SETTINGS);
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const next = async () => (await reader.read()).value;
  assertEquals(await next(), `data: ${reply('"a"')}\n\n`);
  assertEquals(await next(), `data: ${reply('"b"')}\n\n`);
  calls[1]!.answer();
  assertEquals(await next(), `data: ${reply("2")}\n\n`);
  calls[0]!.answer();
  assertEquals(await next(), `data: ${reply("1")}\n\n`);
  assertEquals((await reader.read()).done, true);
});

Deno.test("answerBatch() has so many calls on their way, and no more", async () => {
  const calls = ["1", "2", "3"].map((id) => new Held(id));
  const sent = () => calls.map((call) => call.sent);
  const text = new Response(answerBatch({ own: [], calls }, SETTINGS)).text();
  await until(() => sent()[1]!, "two calls");
  assertEquals(sent(), [true, true, false]);
  calls[1]!.answer();
  await until(() => sent()[2]!, "the third call");
  calls[2]!.answer();
  calls[0]!.answer();
  assertEquals(
    (await text).match(/"id":\d/g)?.toSorted(),
    ['"id":1', '"id":2', '"id":3'],
  );
});

Deno.test("answerBatch() makes an error of each answer of its own that fails", async () => {
  const fails = (error: Error) => () => Promise.reject(error);
  const body = answerBatch({
    own: [
      own("1", fails(new GatewayError({ kind: "store unavailable" }))),
      own("2", fails(new Error("a defect"))),
      own("3"),
    ],
    calls: [],
  }, SETTINGS);
  assertEquals(
    (await new Response(body).text()).split("\n\n").slice(0, -1)
      .map((event) => JSON.parse(event.slice("data: ".length)))
      .map(({ id, error }) => [id, error?.message]),
    [[1, "Session store unavailable"], [2, "Internal error"], [3, undefined]],
  );
});

Deno.test("answerBatch() ends what goes on when the client leaves, and begins nothing", async () => {
  const calls = ["1", "2", "3"].map((id) => new Held(id));
  const body = answerBatch({ own: [], calls }, SETTINGS);
  await until(() => calls[1]!.sent, "two calls");
  await body.cancel();
  await until(
    () => calls[0]!.signal!.aborted && calls[1]!.signal!.aborted,
    "the end of both",
  );
  assertEquals(calls[2]!.sent, false);
});

Deno.test("answerBatch() reads a server no faster than the client reads", async () => {
  let given = 0;
  const note = new TextEncoder().encode(
    'data: {"jsonrpc":"2.0","method":"n"}\n\n',
  );
  const flood = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (++given > 1_000) return controller.close();
      controller.enqueue(note);
    },
  }, { highWaterMark: 0 });
  const call = {
    id: "1",
    open: () =>
      Promise.resolve(
        new Response(flood, {
          headers: { "content-type": "text/event-stream" },
        }),
      ),
  };
  const reader = answerBatch({ own: [], calls: [call] }, SETTINGS).getReader();
  for (let i = 0; i < 3; i++) await reader.read();
  // Whatever would go on by itself has had its turn many times over.
  for (let i = 0; i < 200; i++) await Promise.resolve();
  assert(given < 10, `${given} events were read`);
  await reader.cancel();
});

Deno.test("answerBatch() keeps a silent stream open", async () => {
  const call = new Held("1");
  const settings = { ...SETTINGS, keepAliveMs: 1 };
  const body = answerBatch({ own: [], calls: [call] }, settings);
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  assertEquals((await reader.read()).value, ": keep-alive\n\n");
  call.answer();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
  }
  assert(text.includes(reply("1")), text);
});
