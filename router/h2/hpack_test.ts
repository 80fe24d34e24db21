import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { HpackReader } from "./hpack.ts";

const block = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));
const reader = () => new HpackReader(16_384);

Deno.test("HpackReader reads requests that refer to each other (RFC 7541, C.3)", () => {
  const hpack = reader();
  const want = [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
  ] as const;
  assertEquals(
    hpack.read(block("828684410f7777772e6578616d706c652e636f6d")),
    want,
  );
  assertEquals(hpack.read(block("828684be58086e6f2d6361636865")), [
    ...want,
    ["cache-control", "no-cache"],
  ]);
  assertEquals(
    hpack.read(
      block("828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565"),
    ),
    [
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/index.html"],
      [":authority", "www.example.com"],
      ["custom-key", "custom-value"],
    ],
  );
});

Deno.test("HpackReader forgets what has no room any more (RFC 7541, C.6)", () => {
  const hpack = reader();
  const date = (second: number) => `Mon, 21 Oct 2013 20:13:${second} GMT`;
  // First of all a table of 256 bytes.
  const first = hpack.read(block(
    "3fe101 488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff" +
      "6e919d29ad171863c78f0b97c8e9ae82ae43d3",
  ));
  assertEquals(first, [
    [":status", "302"],
    ["cache-control", "private"],
    ["date", date(21)],
    ["location", "https://www.example.com"],
  ]);
  assertEquals(hpack.read(block("4883640effc1c0bf")), [
    [":status", "307"],
    ["cache-control", "private"],
    ["date", date(21)],
    ["location", "https://www.example.com"],
  ]);
  // `:status: 302` is gone: index 66 is nothing.
  assertEquals(hpack.read(block("c2")), "malformed");
});

Deno.test("HpackReader remembers nothing that it is told not to", () => {
  const hpack = reader();
  // Never indexed, and without indexing (C.2.2, C.2.3).
  assertEquals(
    hpack.read(
      block(
        "1008 70617373776f7264 06 736563726574 040c 2f73616d706c652f70617468",
      ),
    ),
    [["password", "secret"], [":path", "/sample/path"]],
  );
  assertEquals(hpack.read(block("be")), "malformed");
});

for (
  const { name, hex } of [
    { name: "an index of 0", hex: "80" },
    { name: "an index of nothing", hex: "be" },
    { name: "an index beyond all bounds", hex: "ffffffffffffffff7f" },
    { name: "an integer without an end", hex: "ff80" },
    { name: "a name without a value", hex: "400161" },
    { name: "a string that is longer than the block", hex: "40016105 62" },
    { name: "a string that is no Huffman code", hex: "40 8164 0162" },
    { name: "a table larger than was offered", hex: "3fe21f" },
    { name: "a change of the table behind a header", hex: "8220" },
  ]
) {
  Deno.test(`HpackReader refuses ${name}`, () => {
    assertEquals(reader().read(block(hex)), "malformed");
  });
}

Deno.test("HpackReader refuses a short block that means a long list", () => {
  const hpack = reader();
  const name = "61".repeat(100);
  hpack.read(block(`4064${name}7fb50f${"62".repeat(2100)}`));
  assertEquals(hpack.read(block("be".repeat(8))), "too large");
});

Deno.test("HpackReader never throws, whatever it reads", () => {
  const blocks = fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 4 });
  fc.assert(
    fc.property(blocks, (blocks) => {
      const hpack = reader();
      for (const block of blocks) {
        const fields = hpack.read(block);
        assert(typeof fields === "string" || fields.length <= block.length);
      }
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("HpackReader reads equal blocks alike, unless what they refer to has changed", () => {
  const hpack = reader();
  const first = hpack.read(block("4003782d610131"));
  assertEquals(first, [["x-a", "1"]]);
  assertEquals(hpack.read(block("be")), [["x-a", "1"]]);
  assertEquals(hpack.read(block("be")), [["x-a", "1"]]);
  hpack.read(block("4003782d620132"));
  assertEquals(hpack.read(block("be")), [["x-b", "2"]]);
  assertEquals(hpack.read(block("bf")), [["x-a", "1"]]);
  // A table of no size forgets all.
  hpack.read(block("20"));
  assertEquals(hpack.read(block("bf")), "malformed");
});

Deno.test("HpackReader remembers what a block tells it to each time that it comes", () => {
  const hpack = reader();
  for (let i = 0; i < 2; i++) hpack.read(block("4003782d610131"));
  assertEquals(hpack.read(block("be bf")), [["x-a", "1"], ["x-a", "1"]]);
});
