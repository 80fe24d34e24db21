import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { readHuffman } from "./huffman.ts";

/** RFC 7541, appendices C.4 and C.6. */
const EXAMPLES = [
  ["www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"],
  ["custom-key", "25a849e95ba97d7f"],
  ["custom-value", "25a849e95bb8e8b4bf"],
  ["302", "6402"],
  ["private", "aec3771a4b"],
  [
    "Mon, 21 Oct 2013 20:13:21 GMT",
    "d07abe941054d444a8200595040b8166e082a62d1bff",
  ],
  ["https://www.example.com", "9d29ad171863c78f0b97c8e9ae82ae43d3"],
  [
    "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
    "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003" +
    "ed4ee5b1063d5007",
  ],
  ["", ""],
] as const;

for (const [text, hex] of EXAMPLES) {
  Deno.test(`readHuffman() reads ${JSON.stringify(text)}`, () => {
    const bytes = Uint8Array.fromHex(hex);
    assertEquals(readHuffman(bytes, 0, bytes.length), text);
    const within = Uint8Array.fromHex(`ff${hex}00`);
    assertEquals(readHuffman(within, 1, 1 + bytes.length), text);
  });
}

for (
  const { name, hex } of [
    { name: "is filled up with zeros", hex: "64" },
    { name: "is filled up with an octet too many", hex: "6402ff" },
    { name: "ends within a code", hex: "fe" },
    { name: "has the end of a string in it", hex: "fffffffc" },
  ]
) {
  Deno.test(`readHuffman() refuses what ${name}`, () => {
    const bytes = Uint8Array.fromHex(hex);
    assertEquals(readHuffman(bytes, 0, bytes.length), undefined);
  });
}

Deno.test("readHuffman() never throws, and makes no more than the shortest codes allow", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      const text = readHuffman(bytes, 0, bytes.length);
      return text === undefined || text.length <= bytes.length * 8 / 5;
    }),
    { numRuns: 2_000 },
  );
});
