/**
 * What rewriting a stream costs per event, beside decoding its data and
 * `JSON.parse` of it, which finds less.
 *
 * @module
 */

import { EventStreamRewriter } from "./event_stream_rewriter.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
const KiB = 1024;

const EVENTS: readonly (readonly [string, string])[] = [
  [
    "progress",
    '{"jsonrpc":"2.0","method":"notifications/progress","params":' +
    '{"progressToken":17,"progress":3,"total":10,"message":"step 3"}}',
  ],
  [
    "elicitation",
    '{"jsonrpc":"2.0","id":3,"method":"elicitation/create","params":' +
    '{"message":"Which city?","requestedSchema":{"type":"object",' +
    '"properties":{"city":{"type":"string"}},"required":["city"]}}}',
  ],
  ["result of 64 KiB", result(64 * KiB)],
  ["result of 1 MiB", result(1024 * KiB)],
];

function result(size: number): string {
  return '{"jsonrpc":"2.0","id":17,"result":{"content":[{"type":"text",' +
    `"text":"${"lorem ipsum ".repeat(size / 12)}"}]}}`;
}

function open(): EventStreamRewriter {
  return new EventStreamRewriter({
    source: { server: "weather", tag: "aBcDeF12" },
    batches: false,
    maxEventBytes: 4096 * KiB,
  });
}

for (const [group, json] of EVENTS) {
  const event = ENCODER.encode(`event: message\ndata: ${json}\n\n`);
  const data = ENCODER.encode(json);
  const rewriter = open();
  Deno.bench("in one chunk", { group }, () => {
    rewriter.push(event, false);
  });
  const small = event.length < KiB;
  const size = small ? event.length / 2 : 16 * KiB;
  const chunks = Array.from(
    { length: Math.ceil(event.length / size) },
    (_, i) => event.slice(i * size, (i + 1) * size),
  );
  const cut = open();
  Deno.bench(small ? "in two" : "in chunks of 16 KiB", { group }, () => {
    for (const chunk of chunks) cut.push(chunk, false);
  });
  Deno.bench("JSON.parse()", { group, baseline: true }, () => {
    JSON.parse(DECODER.decode(data));
  });
}
