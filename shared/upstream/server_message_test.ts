import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { text } from "../jsonrpc/values.ts";
import { messagesOf, readServerMessage } from "./server_message.ts";

const encode = (json: string) => new TextEncoder().encode(json);
const LATIN_1 = Uint8Array.of(0xe9);

const RESULTS = [
  { name: "a result", json: '{"jsonrpc":"2.0","id":1,"result":{"n":1e400}}' },
  {
    name: "an error that is null",
    json: '{"jsonrpc":"2.0","id":1,"error":null,"result":{"n":1e400}}',
  },
  {
    name: "unknown members",
    json: ' {"x":[],"result":{"n":1e400},"jsonrpc":"2.0","id":1,"Result":0}\n',
  },
  {
    name: "repeated keys, the last of which count",
    json: '{"jsonrpc":"2.0","id":0,"id":1,"result":1,"result":{"n":1e400}}',
  },
  {
    name: "escapes in its members' names",
    json: '{"jsonrpc":"2\\u002e0","\\u0069d":1,"result":{"n":1e400}}',
  },
  {
    name: "a byte order mark",
    json: '\ufeff{"jsonrpc":"2.0","id":1,"result":{"n":1e400}}',
  },
];
for (const { name, json } of RESULTS) {
  Deno.test(`readServerMessage() finds the result, raw, beside ${name}`, () => {
    const message = readServerMessage(encode(json));
    assert(message.kind === "result");
    assertEquals(message.id, "1");
    assertEquals(text(message.bytes, message.result), '{"n":1e400}');
  });
}

const OTHERS = [
  {
    json: '{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}',
    want: { kind: "request", id: "9007199254740993", method: "ping" },
  },
  {
    json: '{"jsonrpc":"2.0","method":"a\\u0062"}',
    want: { kind: "notification", method: "ab" },
  },
  {
    json: '{"jsonrpc":"2.0","id":"x","error":{"code":-32601,"message":"é"}}',
    want: { kind: "error", id: '"x"', error: { code: -32601, message: "é" } },
  },
  {
    json:
      '{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"","data":{"n": 1e400}}}',
    want: {
      kind: "error",
      id: "1",
      error: { code: -32022, message: "", data: '{"n": 1e400}' },
    },
  },
  {
    json: '{"jsonrpc":"2.0","error":{"code":"1","message":2}}',
    want: { kind: "error", id: "null", error: { code: 0, message: "" } },
  },
] as const;
for (const { json, want } of OTHERS) {
  Deno.test(`readServerMessage() reads ${json}`, () => {
    assertEquals(readServerMessage(encode(json)), want);
  });
}

const nested = "[".repeat(1_000_000);
const MALFORMED = [
  { name: "nothing", json: "", reason: "nothing to read" },
  { name: "no JSON", json: "<p>", reason: "no object at byte 0" },
  { name: "a batch", json: "[]", reason: "no object at byte 0" },
  {
    name: "half of an answer",
    json: '{"jsonrpc":"2.0"',
    reason: "the end is missing",
  },
  { name: "two answers", json: "{}{}", reason: "unexpected data" },
  {
    name: "a million open brackets",
    json: `{"x":${nested}`,
    reason: "nested too deeply",
  },
  {
    name: "another version",
    json: '{"jsonrpc":"1.0","id":1,"result":1}',
    reason: "jsonrpc is not",
  },
  {
    name: "a version that is a number",
    json: '{"jsonrpc":2.0,"id":1,"result":1}',
    reason: "jsonrpc is not",
  },
  {
    name: "a result without an id",
    json: '{"jsonrpc":"2.0","result":1}',
    reason: "no method",
  },
  {
    name: "an id without a result",
    json: '{"jsonrpc":"2.0","id":1}',
    reason: "no method",
  },
];
for (const { name, json, reason } of MALFORMED) {
  Deno.test(`readServerMessage() says why ${name} is no message`, () => {
    const message = readServerMessage(encode(json));
    assert(message.kind === "malformed");
    assertStringIncludes(message.reason, reason);
  });
}

Deno.test("readServerMessage() leaves strings that are not UTF-8 to who uses them", () => {
  const bytes = Uint8Array.of(
    ...encode('{"jsonrpc":"2.0","id":1,"result":{"a":"'),
    ...LATIN_1,
    ...encode('"}}'),
  );
  const message = readServerMessage(bytes);
  assert(message.kind === "result");
  assertEquals(message.bytes, bytes);
});

const SENT: readonly { readonly json: string; readonly want: string[] }[] = [
  { json: '{"a":[1]}', want: ['{"a":[1]}'] },
  { json: ' [ {"a":1} ,{"b":[2]}]', want: ['{"a":1}', '{"b":[2]}'] },
  { json: "[]", want: [] },
  { json: '[{"a":1}', want: ['[{"a":1}'] },
];
for (const { json, want } of SENT) {
  Deno.test(`messagesOf() finds ${want.length} in ${json}`, () => {
    const found = messagesOf(encode(json));
    assertEquals(found.map((one) => new TextDecoder().decode(one)), want);
  });
}
