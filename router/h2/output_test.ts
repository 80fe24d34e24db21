import { assert, assertEquals } from "@std/assert";
import { DATA } from "./frames.ts";
import { Output } from "./output.ts";

/** An output whose writes are done when the test says so. */
function recorded() {
  const writes: { readonly bytes: Uint8Array; readonly done: () => void }[] =
    [];
  const output = new Output((bytes, done) => writes.push({ bytes, done }));
  return { output, writes };
}

/** Frames of `fill`, of 16 KiB each. */
function write(output: Output, fill: number, frames: number): void {
  for (let i = 0; i < frames; i++) {
    output.frame(DATA, 0, 1, new Uint8Array(16_384).fill(fill));
  }
}

Deno.test("Output gathers a turn's frames into one write", async () => {
  const { output, writes } = recorded();
  output.frame(DATA, 0, 1, Uint8Array.of(7));
  await Promise.resolve();
  output.frame(DATA, 1, 3, Uint8Array.of(8, 9));
  assertEquals(writes.length, 0);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(writes.map(({ bytes }) => [...bytes]), [[
    ...[0, 0, 1, 0, 0, 0, 0, 0, 1, 7],
    ...[0, 0, 2, 0, 1, 0, 0, 0, 3, 8, 9],
  ]]);
});

Deno.test("Output leaves memory alone until it is written, and uses it again then", () => {
  const { output, writes } = recorded();
  for (let turn = 1; turn <= 20; turn++) {
    write(output, turn, 1);
    output.flush();
  }
  assertEquals(
    writes.map(({ bytes }) => [bytes.length, bytes[9], bytes.at(-1)]),
    Array.from({ length: 20 }, (_, i) => [16_393, i + 1, i + 1]),
  );
  const memory = new Set(writes.map(({ bytes }) => bytes.buffer));
  for (const { done } of writes.splice(0)) done();
  for (let turn = 0; turn < 12; turn++) {
    write(output, 99, 1);
    output.flush();
  }
  assert(writes.every(({ bytes }) => memory.has(bytes.buffer)));
});

Deno.test("Output begins a block again that is written to its end, though it is not full", () => {
  const { output, writes } = recorded();
  for (let turn = 0; turn < 100; turn++) {
    write(output, turn, 1);
    output.flush();
    writes.at(-1)?.done();
  }
  assertEquals(new Set(writes.map(({ bytes }) => bytes.byteOffset)).size, 1);
});

Deno.test("Output writes a frame larger than its blocks", () => {
  const { output, writes } = recorded();
  output.frame(DATA, 0, 1, new Uint8Array(200_000).fill(5));
  output.flush();
  assertEquals(writes.map(({ bytes }) => bytes.length), [200_009]);
  assertEquals(writes[0]?.bytes.at(-1), 5);
});

Deno.test("Output.close() writes what there is, and nothing else", () => {
  const { output, writes } = recorded();
  write(output, 1, 1);
  output.close();
  write(output, 2, 8);
  output.flush();
  assertEquals(writes.length, 1);
});
