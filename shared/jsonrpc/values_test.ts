import { assert, assertEquals, assertThrows } from "@std/assert";
import { JSON_LIMITS, SERVER_JSON } from "./json_limits.ts";
import type { Span } from "./message.ts";
import {
  asString,
  elements,
  isValidJson,
  kindOf,
  members,
  parseValue,
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

Deno.test("members() takes a repeated key's last value where limits allow it", () => {
  const json =
    '{"a":1,"b":{"x":1,"x":2},"\\u0061":[{"x":1,"x":2}],"__proto__":null}';
  const [bytes, span] = whole(json);
  assertThrows(() => members(bytes, span), SyntaxError, "duplicate key");
  const found = [...members(bytes, span, SERVER_JSON)];
  assertEquals(found.map(([key, value]) => [key, text(bytes, value)]), [
    ["a", '[{"x":1,"x":2}]'],
    ["b", '{"x":1,"x":2}'],
    ["__proto__", "null"],
  ]);
  assertEquals(
    elements(bytes, found[0]![1], SERVER_JSON).map((one) => text(bytes, one)),
    ['{"x":1,"x":2}'],
  );
});

Deno.test("values are found beside strings that are not UTF-8 where limits allow it", () => {
  const bytes = Uint8Array.of(
    ...ENCODER.encode('{"a":"'),
    0xe9, // Latin-1
    ...ENCODER.encode('","b":"\\n'),
    0xf0,
    ...ENCODER.encode('","c":[1]}'),
  );
  const span = { start: 0, end: bytes.length };
  assertThrows(() => members(bytes, span), SyntaxError, "not valid UTF-8");
  const found = members(bytes, span, SERVER_JSON);
  assertEquals([...found.keys()], ["a", "b", "c"]);
  assertEquals(stringValue(bytes, found.get("a")!, SERVER_JSON), "\ufffd");
  assertEquals(asString(bytes, found.get("b"), SERVER_JSON)?.[0], "\n");
  assertEquals(text(bytes, found.get("c")!), "[1]");
});

const NEVER_VALID = ['{"a":1,}', '{"a":"\t"}', '{"a":01}', "{} {}", '{"a"'];
for (const json of NEVER_VALID) {
  Deno.test(`members() refuses ${JSON.stringify(json)} whatever the limits`, () => {
    for (const limits of [JSON_LIMITS, SERVER_JSON]) {
      assertThrows(() => members(...whole(json), limits), SyntaxError);
    }
  });
}

Deno.test("servers' JSON may be deeper than ours, and has an end too", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  for (const limits of [JSON_LIMITS, SERVER_JSON]) {
    const { maxDepth } = limits;
    assertEquals(elements(...whole(nested(maxDepth)), limits).length, 1);
    assertThrows(
      () => elements(...whole(nested(maxDepth + 1)), limits),
      SyntaxError,
      "nested too deeply",
    );
  }
});

Deno.test("elements() does not recurse", () => {
  const deep = "[".repeat(200_000) + "]".repeat(200_000);
  const limits = { maxDepth: Infinity, lenient: true };
  assertEquals(elements(...whole(deep), limits), [
    { start: 1, end: deep.length - 1 },
  ]);
});

const KINDS = [
  { json: " {}", kind: "object" },
  { json: "[]", kind: "array" },
  { json: '"{"', kind: "string" },
  { json: "-1", kind: "number" },
  { json: "0", kind: "number" },
  { json: "true", kind: "boolean" },
  { json: "\n\tfalse", kind: "boolean" },
  { json: "null", kind: "null" },
];
for (const { json, kind } of KINDS) {
  Deno.test(`kindOf() and asString() tell ${JSON.stringify(json)}: ${kind}`, () => {
    assertEquals(kindOf(...whole(json)), kind);
    assertEquals(
      asString(...whole(json)),
      kind === "string" ? "{" : undefined,
    );
  });
}

Deno.test("asString() reads nothing where nothing stands", () => {
  assertEquals(asString(ENCODER.encode("x"), undefined), undefined);
});

Deno.test("parseValue() reads a span as JSON.parse() does, and only it", () => {
  const [bytes] = whole('[{"a":["é",1]},x');
  assertEquals(parseValue(bytes, { start: 1, end: 15 }), { a: ["é", 1] });
  assertThrows(() => parseValue(bytes, { start: 1, end: 17 }), SyntaxError);
});
