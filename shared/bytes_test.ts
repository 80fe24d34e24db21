import { assertEquals } from "@std/assert";
import { arrayParts, joinBytes } from "./bytes.ts";

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
