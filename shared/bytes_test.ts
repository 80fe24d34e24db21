import { assert, assertEquals } from "@std/assert";
import { arrayParts, joinBytes, ScratchMemory } from "./bytes.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

const ARRAYS = [
  { elements: [], want: "[]" },
  { elements: ["1e400"], want: "[1e400]" },
  { elements: ['"é"', " {} ", "[]"], want: '["é", {} ,[]]' },
];
for (const { elements, want } of ARRAYS) {
  Deno.test(`joinBytes() and arrayParts() write ${want}`, () => {
    const parts = arrayParts(elements.map(encode));
    assertEquals(decode(joinBytes([encode("<"), ...parts])), `<${want}`);
  });
}

Deno.test("joinBytes() makes nothing of nothing, and a copy of one", () => {
  assertEquals(joinBytes([]).byteLength, 0);
  const one = encode("a");
  const copy = joinBytes([one]);
  copy[0] = 0;
  assertEquals(decode(one), "a");
});

Deno.test("ScratchMemory.join() uses its memory again, whatever is put together", () => {
  const scratch = new ScratchMemory(100);
  const text = (...parts: readonly string[]) =>
    new TextDecoder().decode(
      scratch.join(parts.map((part) => new TextEncoder().encode(part))),
    );
  assertEquals(text(), "");
  assertEquals(text("a", "", "bc"), "abc");
  assertEquals(text("longer than before"), "longer than before");
  assertEquals(text("d"), "d");
  const first = scratch.join([Uint8Array.of(1)]);
  assertEquals(scratch.join([Uint8Array.of(2)]).buffer, first.buffer);
});

Deno.test("ScratchMemory.join() keeps no more than it may", () => {
  const scratch = new ScratchMemory(4);
  const large = scratch.join([new Uint8Array(3), new Uint8Array(2)]);
  assertEquals(large.byteLength, 5);
  const next = scratch.join([new Uint8Array(4)]);
  assert(next.buffer !== large.buffer);
  assertEquals(next.buffer.byteLength, 4);
});
