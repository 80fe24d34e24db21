import { assertEquals } from "@std/assert";
import { arrayParts, joinBytes, joinText } from "./bytes.ts";

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

Deno.test("joinText() has the bytes of its pieces, marks and all", () => {
  const parts = ["", "\uFEFF{", "é🚀".repeat(2_000), "}"].map(encode);
  for (let time = 0; time < 2; time++) {
    assertEquals(encode(joinText(parts)!), joinBytes(parts));
  }
});

Deno.test("joinText() makes nothing of what is no UTF-8", () => {
  assertEquals(joinText([encode("a"), Uint8Array.of(0xff)]), undefined);
  const [rocket] = ["🚀"].map(encode);
  assertEquals(
    joinText([rocket!.subarray(0, 2), rocket!.subarray(2)]),
    undefined,
  );
});
