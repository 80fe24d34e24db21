import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Span } from "./message.ts";
import {
  elements,
  isValidJson,
  members,
  stringSpan,
  stringValue,
  text,
  validate,
} from "./values.ts";

const ENCODER = new TextEncoder();

function whole(json: string): [Uint8Array, Span] {
  const bytes = ENCODER.encode(json);
  return [bytes, { start: 0, end: bytes.length }];
}

Deno.test("validate() says where the value stands", () => {
  assertEquals(validate(ENCODER.encode(" \t[1] \r\n")), {
    kind: "valid",
    start: 2,
    end: 5,
  });
});

Deno.test("validate() says where and why it refuses", () => {
  assertEquals(validate(ENCODER.encode('{"a":1,"a":2}')), {
    kind: "malformed",
    refusal: "parse error",
    offset: 7,
    reason: "duplicate key",
    id: null,
  });
});

Deno.test("validate() keeps to the depth that it is given", () => {
  const bytes = ENCODER.encode("[[[]]]");
  assertEquals(validate(bytes, { maxDepth: 3 }).kind, "valid");
  const refused = validate(bytes, { maxDepth: 2 });
  assert(refused.kind === "malformed");
  assertEquals([refused.offset, refused.reason], [2, "nested too deeply"]);
  assertEquals(validate(ENCODER.encode("1"), { maxDepth: 0 }).kind, "valid");
});

Deno.test("isValidJson() tells values from other bytes", () => {
  assertEquals(isValidJson(ENCODER.encode("null")), true);
  assertEquals(isValidJson(ENCODER.encode("nul")), false);
  assertEquals(isValidJson(new Uint8Array()), false);
});

Deno.test("members() finds values by decoded keys, in order", () => {
  const json = '{"b" : [1, 2],"\\u0061":{"c":1e400},"__proto__":"x","":0}';
  const [bytes, span] = whole(json);
  const found = [...members(bytes, span)].map(([key, value]) => [
    key,
    text(bytes, value),
  ]);
  assertEquals(found, [
    ["b", "[1, 2]"],
    ["a", '{"c":1e400}'],
    ["__proto__", '"x"'],
    ["", "0"],
  ]);
});

Deno.test("members() and elements() walk into values by their spans", () => {
  const json = '{"tools":[{"name":"é1"},{"name":"2","n":9007199254740993}]}';
  const [bytes, span] = whole(json);
  const tools = members(bytes, span).get("tools");
  assert(tools !== undefined);
  const list = elements(bytes, tools);
  assertEquals(list.map((tool) => text(bytes, tool)), [
    '{"name":"é1"}',
    '{"name":"2","n":9007199254740993}',
  ]);
  const names = list.map((tool) => members(bytes, tool).get("name"));
  assert(names.every((name) => name !== undefined));
  assertEquals(names.map((name) => stringValue(bytes, name)), ["é1", "2"]);
});

Deno.test("members() and elements() find nothing in what is empty", () => {
  assertEquals(members(...whole(" { } ")).size, 0);
  assertEquals(elements(...whole("[ ]")), []);
});

const STRINGS: readonly (readonly [json: string, value: string])[] = [
  ['""', ""],
  ['"a\\/b"', "a/b"],
  ['"\\"\\\\\\b\\f\\n\\r\\t"', '"\\\b\f\n\r\t'],
  ['"\\u00e9\\uD83D\\uDE00é😀"', "é😀é😀"],
  ['"\\ud800"', "\ud800"],
  ['"\ufeffa"', "\ufeffa"],
  ['"\\u0000\\u007f\u007f"', "\0\x7f\x7f"],
  [`"\\n${"日本語".repeat(5000)}"`, `\n${"日本語".repeat(5000)}`],
  [`"${"😀".repeat(5000)}\\t"`, `${"😀".repeat(5000)}\t`],
];

for (const [json, value] of STRINGS) {
  Deno.test(`stringSpan() reads ${json.slice(0, 40)}`, () => {
    const [bytes, span] = whole(json);
    assertEquals(stringSpan(bytes, span), { ...span, value });
    assertEquals(stringValue(bytes, span), value);
  });
}

Deno.test("stringSpan() leaves out the white space around a string", () => {
  assertEquals(stringSpan(...whole(' "a" ')), { start: 1, end: 4, value: "a" });
});

const WRONG: readonly {
  name: string;
  read: (bytes: Uint8Array, span: Span) => unknown;
  json: string;
  message: string;
}[] = [
  { name: "members", read: members, json: "[]", message: "no object" },
  { name: "members", read: members, json: "", message: "nothing to read" },
  { name: "members", read: members, json: '{"a"', message: "a colon" },
  { name: "members", read: members, json: '{"a":}', message: "a value" },
  { name: "members", read: members, json: "{} 1", message: "unexpected data" },
  { name: "elements", read: elements, json: "{}", message: "no array" },
  { name: "elements", read: elements, json: "[1", message: "the end" },
  { name: "elements", read: elements, json: "[1,}", message: "a value" },
  { name: "stringValue", read: stringValue, json: "1", message: "no string" },
  { name: "stringValue", read: stringValue, json: '"a', message: "no end" },
  { name: "stringSpan", read: stringSpan, json: '"" 1', message: "unexpected" },
];

for (const { name, read, json, message } of WRONG) {
  Deno.test(`${name}() throws SyntaxError for ${json || "nothing"}`, () => {
    assertThrows(() => read(...whole(json)), SyntaxError, message);
  });
}

Deno.test("values are read within their span, not beyond it", () => {
  const bytes = ENCODER.encode("12345");
  assertThrows(() => members(bytes, { start: 1, end: 1 }), SyntaxError);
  assertEquals(text(bytes, { start: 1, end: 3 }), "23");
  const cut = ENCODER.encode('"abc\\u0041"');
  assertThrows(() => stringValue(cut, { start: 0, end: 7 }), SyntaxError);
  const literal = ENCODER.encode("[true]");
  assertThrows(() => elements(literal, { start: 0, end: 4 }), SyntaxError);
});
