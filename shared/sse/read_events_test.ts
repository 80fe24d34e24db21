import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { writeComment, writeEvent } from "./write_event.ts";
import { readEvents, type ServerEvent } from "./read_events.ts";
import { UpstreamError } from "../upstream/upstream_error.ts";

const LIMITS = { eventBytes: 1000 };

function streamOf(chunks: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks);
}

async function read(
  chunks: readonly Uint8Array[],
  limits = LIMITS as { eventBytes: number; totalBytes?: number },
): Promise<ServerEvent[]> {
  return await Array.fromAsync(readEvents(streamOf(chunks), limits));
}

const encode = (text: string) => new TextEncoder().encode(text);

const STREAMS = [
  { text: "data: a\n\n", want: [{ event: "message", data: "a" }] },
  {
    text: "data:a\rdata: b\r\r",
    want: [{ event: "message", data: "a\nb" }],
  },
  { text: "data:a\rdata: b\r", want: [] },
  {
    text: "data:a\r\ndata: b\r\n\r\n",
    want: [{ event: "message", data: "a\nb" }],
  },
  {
    text: ": hi\n\nevent: x\nid: 7\nretry: 20\ndata\n\n",
    want: [{ event: "x", data: "", id: "7", retry: 20 }],
  },
  {
    text: "\ufeffdata: a\n\ndata: cut",
    want: [{ event: "message", data: "a" }],
  },
  {
    text: "id: 1\n\nretry: x\ndata:  two\n\n",
    want: [
      { event: "message", data: "", id: "1" },
      { event: "message", data: " two" },
    ],
  },
];
for (const { text, want } of STREAMS) {
  Deno.test(`readEvents() reads ${JSON.stringify(text)}`, async () => {
    assertEquals(await read([encode(text)]), want);
    const bytes = encode(text);
    const single = [...bytes].map((byte) => new Uint8Array([byte]));
    assertEquals(await read(single), want, "byte by byte");
  });
}

Deno.test("readEvents() reads what writeEvent() wrote, however it is cut", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.string({ unit: "grapheme", maxLength: 20 }), { maxLength: 5 }),
    fc.integer({ min: 1, max: 9 }),
    async (texts, size) => {
      const parts = texts.flatMap((text, index) => [
        writeComment(text),
        writeEvent({ data: text, id: String(index) }),
      ]);
      const bytes = new Uint8Array(parts.flatMap((part) => [...part]));
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size) {
        chunks.push(bytes.subarray(at, at + size));
      }
      const events = await read(chunks);
      assertEquals(
        events.map(({ data }) => data),
        texts.map((text) => text.replace(/\r\n?/g, "\n")),
      );
    },
  ));
});

const TOO_LARGE = [
  { name: "line", chunk: "d".repeat(100), limits: LIMITS },
  { name: "event", chunk: `data: ${"d".repeat(90)}\n`, limits: LIMITS },
  {
    name: "stream",
    chunk: "data: d\n\n",
    limits: { eventBytes: 1000, totalBytes: 5000 },
  },
];
for (const { name, chunk, limits } of TOO_LARGE) {
  Deno.test(`readEvents() stops at a ${name} without end, and lets it go`, async () => {
    let cancelled = false;
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += chunk.length;
        controller.enqueue(encode(chunk));
      },
      cancel() {
        cancelled = true;
      },
    });
    const error = await assertRejects(
      () => Array.fromAsync(readEvents(body, limits)),
      UpstreamError,
    );
    assertEquals(error.kind, "too large");
    assertEquals(cancelled, true);
    assertEquals(sent < 10_000, true);
  });
}

Deno.test("readEvents() tells what it holds of an unfinished event, and stops where that is too much", async () => {
  const held: number[] = [];
  const mayHold = (characters: number) => held.push(characters) < 4;
  const chunks = ["data: abc\n", "data: d", "\n\ndata: e", "f", "g"];
  const error = await assertRejects(
    () =>
      Array.fromAsync(
        readEvents(streamOf(chunks.map(encode)), { ...LIMITS, mayHold }),
      ),
    UpstreamError,
  );
  assertEquals(error.kind, "too large");
  assertEquals(held, [3, 10, 7, 8, 0]);
});
