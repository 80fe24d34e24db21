/**
 * What a scan costs beside decoding and `JSON.parse` of the same bytes, which
 * finds less (it takes duplicate keys, loses spans and large integers).
 *
 * @module
 */

import { scan } from "./scanner.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { fatal: true });

/** Makes a tools/call whose arguments are the given JSON. */
function call(args: string): Uint8Array {
  return ENCODER.encode(
    '{"jsonrpc":"2.0","id":17,"method":"tools/call","params":' +
      `{"name":"weather_forecast","arguments":${args},` +
      '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}',
  );
}

/** Repeats an array's element until the JSON is about `size` bytes long. */
function array(element: string, size: number): string {
  return `[${
    Array(Math.ceil(size / (element.length + 1))).fill(element).join(",")
  }]`;
}

const RECORD = '{"id":12345,"city":"Z\\u00fcrich","temperature":21.5,' +
  '"wind":{"speed":3,"from":"NW"},"tags":["a","b"],"ok":true,"next":null}';
const CODE = JSON.stringify(
  'function main() {\n\tconsole.log("Hello, world");\n\treturn 0;\n}\n',
).slice(1, -1);
const KiB = 1024;

const BODIES: readonly (readonly [string, Uint8Array])[] = [
  ["300 B call", call('{"city":"Berlin","days":3,"units":"metric"}')],
  ["64 KiB plain string", call(`{"text":"${"lorem ipsum ".repeat(5461)}"}`)],
  ["64 KiB escaped string", call(`{"text":"${CODE.repeat(900)}"}`)],
  ["64 KiB Japanese string", call(`{"text":"${"日本語です。".repeat(3640)}"}`)],
  ["64 KiB records", call(array(RECORD, 64 * KiB))],
  ["1 MiB plain string", call(`{"text":"${"lorem ipsum ".repeat(87381)}"}`)],
  ["1 MiB records", call(array(RECORD, 1024 * KiB))],
  ["1 MiB numbers", call(array("-123.5e3", 1024 * KiB))],
  [
    "1 MiB of distinct keys",
    call(
      `{${
        Array.from(
          { length: 87381 },
          (_, i) => `"${String(i).padStart(7, "k")}":0`,
        )
      }}`,
    ),
  ],
];

for (const [group, bytes] of BODIES) {
  if (scan(bytes).kind !== "request") {
    throw new Error(`not a request: ${group}`);
  }
  Deno.bench("scan()", { group }, () => {
    scan(bytes);
  });
  Deno.bench("JSON.parse()", { group, baseline: true }, () => {
    JSON.parse(DECODER.decode(bytes));
  });
}
