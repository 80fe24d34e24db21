import { assertEquals } from "@std/assert";
import { TextLineStream } from "./text_lines.ts";

for (
  const { name, chunks, want } of [
    {
      name: "a line in pieces",
      chunks: ["a", "b\nc", "\n"],
      want: ["ab", "c"],
    },
    { name: "a last line without end", chunks: ["a\nb"], want: ["a", "b"] },
    {
      name: "both kinds of ends",
      chunks: ["a\r\nb\n\nc\n"],
      want: ["a", "b", "", "c"],
    },
    { name: "an end in pieces", chunks: ["a\r", "\nb\n"], want: ["a", "b"] },
    { name: "nothing", chunks: [], want: [] },
    {
      name: "a line too long to keep",
      chunks: ["x".repeat(100_000)],
      want: ["x".repeat(65_536), "x".repeat(34_464)],
    },
  ]
) {
  Deno.test(`TextLineStream splits ${name}`, async () => {
    const stream = ReadableStream.from(chunks).pipeThrough(
      new TextLineStream(),
    );
    assertEquals(await Array.fromAsync(stream), want);
  });
}
