import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { type Frame, PREFACE } from "./frames.ts";
import { FrameSplitter } from "./frame_splitter.ts";

const preface = new TextEncoder().encode(PREFACE);

function written({ type, flags, stream, payload }: Frame): number[] {
  const { length } = payload;
  return [
    ...[length >> 16, length >> 8 & 0xff, length & 0xff, type, flags],
    ...[stream >> 24, stream >> 16 & 0xff, stream >> 8 & 0xff, stream & 0xff],
    ...payload,
  ];
}

/** All frames, pushed piece by piece. */
function split(bytes: Uint8Array, cuts: readonly number[]): unknown[] {
  const splitter = new FrameSplitter(100);
  const found: unknown[] = [];
  const at = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
    .sort((a, b) => a - b);
  let start = 0;
  for (const end of at) {
    splitter.push(bytes.slice(start, end));
    start = end;
    for (let next = splitter.next(); next !== undefined;) {
      found.push(next);
      if (typeof next === "string") return found;
      next = splitter.next();
    }
  }
  return found;
}

const frame = fc.record({
  type: fc.nat(255),
  flags: fc.nat(255),
  stream: fc.nat(0x7fffffff),
  payload: fc.uint8Array({ maxLength: 100 }),
});

Deno.test("FrameSplitter finds the frames, however they are cut", () => {
  const cuts = fc.array(fc.nat(1_000), { maxLength: 8 });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 5 }), cuts, (frames, cuts) => {
      const bytes = new Uint8Array([...preface, ...frames.flatMap(written)]);
      assertEquals(split(bytes, cuts), frames);
    }),
    { numRuns: 1_000 },
  );
});

for (
  const { name, bytes, want } of [
    {
      name: "another protocol",
      bytes: [...new TextEncoder().encode("GET / HTTP/1.1\r\n")],
      want: "no preface",
    },
    {
      name: "a frame too large",
      bytes: [...preface, 0, 0, 101],
      want: undefined,
    },
    {
      name: "the head of a frame too large",
      bytes: [...preface, 0, 0, 101, 0, 0, 0, 0, 0, 1],
      want: "frame too large",
    },
  ]
) {
  Deno.test(`FrameSplitter says ${want ?? "nothing"} of ${name}`, () => {
    const want_ = want === undefined ? [] : [want];
    assertEquals(split(new Uint8Array(bytes), []), want_);
    assertEquals(split(new Uint8Array(bytes), [1, 5, 30]), want_);
  });
}
