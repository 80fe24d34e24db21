import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { MessageSplitter } from "./message_splitter.ts";

const written = (message: Uint8Array): number[] => [
  ...[0, 0, 0, message.length >> 8, message.length & 0xff],
  ...message,
];

Deno.test("MessageSplitter finds the messages, however they are cut", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 400 }), {
    maxLength: 4,
  });
  const cuts = fc.array(fc.nat(2_000), { maxLength: 10 });
  fc.assert(
    fc.property(messages, cuts, (messages, cuts) => {
      const bytes = new Uint8Array(messages.flatMap(written));
      const ends = [
        ...cuts.map((cut) => cut % (bytes.length + 1)),
        bytes.length,
      ]
        .sort((a, b) => a - b);
      const splitter = new MessageSplitter();
      const found: Uint8Array[] = [];
      let start = 0;
      for (const end of ends) {
        const memory = bytes.slice(start, end);
        found.push(...splitter.push(memory) ?? []);
        // The caller's again.
        memory.fill(0);
        start = end;
      }
      assertEquals(
        found.map((one) => [...one]),
        messages.map((one) => [...one]),
      );
      assertEquals(splitter.isWithin, false);
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("MessageSplitter knows of a message that is not whole", () => {
  const splitter = new MessageSplitter();
  splitter.push(new Uint8Array([0, 0, 0, 0]));
  assertEquals(splitter.isWithin, true);
  splitter.push(new Uint8Array([1]));
  assertEquals(splitter.isWithin, true);
  assertEquals(splitter.push(new Uint8Array([9]))?.length, 1);
  assertEquals(splitter.isWithin, false);
});

for (const cut of [0, 3, 6]) {
  Deno.test(`MessageSplitter refuses a compressed message, cut at ${cut}`, () => {
    const bytes = new Uint8Array([1, 0, 0, 0, 2, 7, 7]);
    const splitter = new MessageSplitter();
    const outcomes = [
      splitter.push(bytes.subarray(0, cut)),
      splitter.push(bytes.subarray(cut)),
    ];
    assert(outcomes.includes(undefined));
  });
}

for (const cut of [0, 4, 5, 7]) {
  Deno.test(`MessageSplitter refuses a message of four gigabytes before it has come, cut at ${cut}`, () => {
    const bytes = new Uint8Array([0, 0xff, 0xff, 0xff, 0xff, 7, 7]);
    const splitter = new MessageSplitter();
    const outcomes = [
      splitter.push(bytes.subarray(0, cut)),
      splitter.push(bytes.subarray(cut)),
    ];
    assert(outcomes.includes(undefined));
  });
}
