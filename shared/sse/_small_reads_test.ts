import { assert, assertEquals, assertRejects } from "@std/assert";
import { smallReads } from "./_small_reads.ts";

/** A stream of bytes that notes how much it was asked for. */
function byteStream(total: number, failAt = Infinity) {
  const asked: number[] = [];
  let cancelled = false;
  let sent = 0;
  const body = new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: 64 * 1024,
    pull(controller) {
      const view = controller.byobRequest?.view;
      assert(view instanceof Uint8Array);
      asked.push(view.byteLength);
      if (sent >= failAt) throw new Error("broken");
      const size = Math.min(view.byteLength, total - sent);
      for (let i = 0; i < size; i++) view[i] = sent++ & 0xff;
      if (size === 0) controller.close();
      controller.byobRequest?.respond(size);
    },
    cancel() {
      cancelled = true;
    },
  });
  return { body, asked, cancelled: () => cancelled };
}

Deno.test("smallReads() gives every byte, with a small buffer first and larger ones for what is large", async () => {
  const { body, asked } = byteStream(280_000);
  let at = 0;
  for await (const chunk of smallReads(body)) {
    assert(chunk.every((byte, i) => byte === (at + i & 0xff)));
    at += chunk.length;
  }
  assertEquals(at, 280_000);
  assertEquals(asked.slice(0, 6), [2048, 4096, 8192, 16384, 32768, 65536]);
  assertEquals([asked.length, asked.at(-1)], [10, 2048]);
});

Deno.test("smallReads() reads a stream of chunks as it is", async () => {
  const chunks = [new Uint8Array(100_000), new Uint8Array([1])];
  assertEquals(
    await Array.fromAsync(smallReads(ReadableStream.from(chunks))),
    chunks,
  );
});

Deno.test("smallReads() cancels what it leaves, and nothing that is over", async () => {
  const left = byteStream(280_000);
  for await (const _ of smallReads(left.body)) break;
  assertEquals([left.cancelled(), left.body.locked], [true, false]);
  const whole = byteStream(10);
  for await (const _ of smallReads(whole.body));
  assertEquals([whole.cancelled(), whole.body.locked], [false, false]);
});

Deno.test("smallReads() fails as the stream does", async () => {
  const { body } = byteStream(280_000, 2048);
  await assertRejects(
    () => Array.fromAsync(smallReads(body)),
    Error,
    "broken",
  );
  assertEquals(body.locked, false);
});
