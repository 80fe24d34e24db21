import { assertEquals, assertThrows } from "@std/assert";
import type { StringSpan } from "./message.ts";
import { removePrefix, replaceString, replaceText } from "./splice.ts";
import { stringSpan } from "./values.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Puts a JSON string into other bytes, and says where it stands. */
function placed(json: string): { bytes: Uint8Array; span: StringSpan } {
  const bytes = ENCODER.encode(`é, ${json}\n9007199254740993`);
  const start = ENCODER.encode("é, ").length;
  const end = start + ENCODER.encode(json).length;
  return { bytes, span: stringSpan(bytes, { start, end }) };
}

const VALUES: readonly (readonly [value: string, json: string])[] = [
  ["", '""'],
  ["forecast", '"forecast"'],
  ['"\\\n', '"\\"\\\\\\n"'],
  ["é日😀", '"é日😀"'],
  ["\ud800x", '"\\ud800x"'],
];

for (const [value, json] of VALUES) {
  Deno.test(`replaceString() puts ${json} where another string stood`, () => {
    const { bytes, span } = placed('"old \\u00e9 name"');
    const before = bytes.slice();
    const body = replaceString(bytes, span, value);
    assertEquals(DECODER.decode(body), `é, ${json}\n9007199254740993`);
    assertEquals(bytes, before);
  });
}

Deno.test("replaceText() puts raw JSON in place of a span", () => {
  const bytes = ENCODER.encode('{"id":1}');
  const body = replaceText(bytes, { start: 6, end: 7 }, '"gw-é"');
  assertEquals(DECODER.decode(body), '{"id":"gw-é"}');
});

const PREFIXES: readonly {
  name: string;
  json: string;
  prefix: string;
  want: string;
}[] = [
  {
    name: "a plain prefix",
    json: '"weather_forecast"',
    prefix: "weather_",
    want: '"forecast"',
  },
  { name: "no prefix", json: '"a\\u0062"', prefix: "", want: '"a\\u0062"' },
  { name: "the whole name", json: '"x_"', prefix: "x_", want: '""' },
  {
    name: "a prefix beyond ASCII",
    json: '"wétter_😀_x"',
    prefix: "wétter_😀_",
    want: '"x"',
  },
  {
    name: "a plain prefix before escapes, which stay",
    json: '"w_\\u0061\\/b"',
    prefix: "w_",
    want: '"\\u0061\\/b"',
  },
  {
    name: "a prefix in escapes, with the name written anew",
    json: '"\\u0077_\\u0061\\/b"',
    prefix: "w_",
    want: '"a/b"',
  },
  {
    name: "a prefix that ends in a backslash",
    json: '"w\\\\b"',
    prefix: "w\\",
    want: '"b"',
  },
  {
    name: "a prefix that ends in a quote",
    json: '"w\\"b"',
    prefix: 'w"',
    want: '"b"',
  },
  {
    name: "half a surrogate pair, whose other half is escaped",
    json: '"😀"',
    prefix: "\ud83d",
    want: '"\\ude00"',
  },
];

for (const { name, json, prefix, want } of PREFIXES) {
  Deno.test(`removePrefix() removes ${name}`, () => {
    const { bytes, span } = placed(json);
    const body = removePrefix(bytes, span, prefix);
    assertEquals(DECODER.decode(body), `é, ${want}\n9007199254740993`);
  });
}

Deno.test("removePrefix() throws where the name begins otherwise", () => {
  const { bytes, span } = placed('"weather"');
  assertThrows(() => removePrefix(bytes, span, "news_"), RangeError);
});
