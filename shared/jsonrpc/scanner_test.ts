import { assert, assertEquals, assertLess } from "@std/assert";
import type { Malformed, Message, Scanned } from "./message.ts";
import { scan } from "./scanner.ts";
import { text } from "./values.ts";

const ENCODER = new TextEncoder();

function bytesOf(body: string): Uint8Array {
  return ENCODER.encode(body);
}

function scanText(body: string): Scanned {
  return scan(bytesOf(body));
}

function message(body: string): Message {
  const scanned = scanText(body);
  assert(scanned.kind !== "malformed" && scanned.kind !== "batch", body);
  return scanned;
}

function malformed(body: string | Uint8Array): Malformed {
  const scanned = typeof body === "string" ? scanText(body) : scan(body);
  assert(scanned.kind === "malformed", `accepted: ${body}`);
  return scanned;
}

/** A request with these params. */
function call(params: string): string {
  return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`;
}

Deno.test("scan() finds all that routing reads, with its spans", () => {
  const body = ' {"jsonrpc":"2.0","id":"a1","method":"tools/call","params":' +
    '{ "name" : "wea\\u0074her_x" ,"uri":"a:b","arguments":[1, 2],"_meta":{},' +
    '"ref":{"type":"ref/prompt"},"protocolVersion":"2025-11-25",' +
    '"requestId": 9007199254740993,"progressToken":"t\\u0031","more":null}}\n';
  const found = message(body);
  assert(found.kind === "request");
  assertEquals(found.method, "tools/call");
  assertEquals(found.id, '"a1"');
  const { params } = found;
  assert(params !== undefined);
  const { name, uri, protocolVersion, meta, ref } = params;
  const raw = (span: { start: number; end: number } | undefined) =>
    span === undefined ? undefined : body.slice(span.start, span.end);
  assertEquals(raw(found.span), body.trim());
  assertEquals(raw(params), body.slice(body.indexOf("{ "), -2));
  assertEquals(name?.value, "weather_x");
  assertEquals(raw(name), '"wea\\u0074her_x"');
  assertEquals([uri?.value, raw(uri)], ["a:b", '"a:b"']);
  assertEquals(raw(params.arguments), "[1, 2]");
  assertEquals(raw(meta), "{}");
  assertEquals(raw(ref), '{"type":"ref/prompt"}');
  assertEquals(protocolVersion?.value, "2025-11-25");
  for (const id of ["requestId", "progressToken"] as const) {
    assertEquals(params[id]?.text, raw(params[id]));
  }
  assertEquals(params.requestId?.text, "9007199254740993");
  assertEquals(params.progressToken?.text, '"t\\u0031"');
});

const KINDS: readonly { name: string; body: string; want: string }[] = [
  {
    name: "a request without params",
    body: '{"id":1,"method":"ping","jsonrpc":"2.0"}',
    want: "request",
  },
  {
    name: "a notification",
    body: '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    want: "notification",
  },
  {
    name: "a response",
    body: '{"jsonrpc":"2.0","id":1,"result":{}}',
    want: "response",
  },
  {
    name: "a response with a null result",
    body: '{"jsonrpc":"2.0","id":1,"result":null}',
    want: "response",
  },
  {
    name: "an error response",
    body: '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}',
    want: "response",
  },
  {
    name: "an error response whose id is null",
    body: '{"jsonrpc":"2.0","id":null,"error":{}}',
    want: "response",
  },
  {
    name: "an error response without an id",
    body: '{"jsonrpc":"2.0","error":{}}',
    want: "response",
  },
  {
    name: "unknown members beside the envelope's",
    body: '{"jsonrpc":"2.0","id":1,"method":"m","x":1,"":2,"ids":3,"i":4}',
    want: "request",
  },
  {
    name: "escapes in the envelope",
    body: '{"\\u006asonrpc":"\\u0032.0","\\u0069d":1,"m\\u0065thod":"\\u006d"}',
    want: "request",
  },
];

for (const { name, body, want } of KINDS) {
  Deno.test(`scan() takes ${name} for a ${want}`, () => {
    assertEquals(scanText(body).kind, want);
  });
}

Deno.test("scan() says where a response's id, result and error stand", () => {
  const body = '{"jsonrpc":"2.0","result":{"a": 1},"id": -12}';
  const found = message(body);
  assert(found.kind === "response" && found.result !== undefined);
  assertEquals(found.id, "-12");
  assertEquals(text(bytesOf(body), found.idSpan), "-12");
  assertEquals(text(bytesOf(body), found.result), '{"a": 1}');
  assertEquals("error" in found, false);

  const failure = message('{"jsonrpc":"2.0","error":{},"id":null}');
  assert(failure.kind === "response" && failure.error !== undefined);
  assertEquals(failure.id, null);
  assertEquals("result" in failure, false);

  const nameless = message('{"jsonrpc":"2.0","error":{}}');
  assert(nameless.kind === "response");
  assertEquals(nameless.id, null);
  assertEquals(nameless.idSpan.start, nameless.idSpan.end);
});

const IDS = [
  "0",
  "-1",
  "-0",
  "9007199254740993",
  "123456789012345678901234567890123456789012345678901234567890",
  '""',
  '"a"',
  '"\\u00e9\\ud83d\\ude00"',
  '"é😀"',
];

for (const id of IDS) {
  Deno.test(`scan() keeps the id ${id} as it is written`, () => {
    const found = message(`{"jsonrpc":"2.0","id": ${id} ,"method":"m"}`);
    assert(found.kind === "request");
    assertEquals(found.id, id);
  });
}

for (
  const id of [
    "1.0",
    "1e3",
    "true",
    "{}",
    "[1]",
    "null",
    '"\\ud800"',
    '"a\\udc00b"',
  ]
) {
  Deno.test(`scan() refuses a request with the id ${id}`, () => {
    const found = malformed(`{"jsonrpc":"2.0","id":${id},"method":"m"}`);
    assertEquals(found.refusal, "invalid request");
    assertEquals(found.id, null);
    assertEquals(found.offset, 22);
  });
}

const INVALID_REQUESTS: readonly { name: string; body: string }[] = [
  { name: "a number", body: "1" },
  { name: "a string", body: '"jsonrpc"' },
  { name: "null", body: "null" },
  { name: "an empty object", body: "{}" },
  { name: "an empty batch", body: " [ ] " },
  { name: "a batch of an empty batch", body: "[[]]" },
  { name: "a batch of numbers", body: "[1,2]" },
  { name: "no jsonrpc", body: '{"id":1,"method":"m"}' },
  { name: "jsonrpc as number", body: '{"jsonrpc":2.0,"id":1,"method":"m"}' },
  { name: "jsonrpc 1.0", body: '{"jsonrpc":"1.0","id":1,"method":"m"}' },
  {
    name: "jsonrpc with a space",
    body: '{"jsonrpc":"2.0 ","id":1,"method":"m"}',
  },
  { name: "a method that is null", body: '{"jsonrpc":"2.0","method":null}' },
  { name: "a method that is an object", body: '{"jsonrpc":"2.0","method":{}}' },
  {
    name: "an unpaired surrogate in the method",
    body: '{"jsonrpc":"2.0","method":"\\udfff"}',
  },
  {
    name: "array params",
    body: '{"jsonrpc":"2.0","id":1,"method":"m","params":[]}',
  },
  {
    name: "null params",
    body: '{"jsonrpc":"2.0","id":1,"method":"m","params":null}',
  },
  {
    name: "a request with a result",
    body: '{"jsonrpc":"2.0","id":1,"method":"m","result":1}',
  },
  {
    name: "a notification with an error",
    body: '{"jsonrpc":"2.0","method":"m","error":{}}',
  },
  {
    name: "both result and error",
    body: '{"jsonrpc":"2.0","id":1,"result":1,"error":{}}',
  },
  {
    name: "neither method, result nor error",
    body: '{"jsonrpc":"2.0","id":1}',
  },
  { name: "a result without an id", body: '{"jsonrpc":"2.0","result":1}' },
  {
    name: "a result whose id is null",
    body: '{"jsonrpc":"2.0","id":null,"result":1}',
  },
  {
    name: "an error that is a string",
    body: '{"jsonrpc":"2.0","id":1,"error":"no"}',
  },
  {
    name: "an unpaired surrogate in the name",
    body: call('{"name":"\\ud800"}'),
  },
  {
    name: "two low surrogates in the name",
    body: call('{"name":"\\udc00\\udc00"}'),
  },
  {
    name: "a high surrogate twice in the name",
    body: call('{"name":"\\ud800\\ud800"}'),
  },
  {
    name: "a high surrogate before a pair in the name",
    body: call('{"name":"\\ud800\\ud800\\udc00"}'),
  },
  { name: "an unpaired surrogate in the uri", body: call('{"uri":"\\udc00"}') },
];

for (const { name, body } of INVALID_REQUESTS) {
  Deno.test(`scan() refuses ${name} as an invalid request`, () => {
    assertEquals(malformed(body).refusal, "invalid request");
  });
}

Deno.test("scan() lets unpaired surrogates pass where it routes by nothing", () => {
  const found = message(
    call('{"name":"a","arguments":"\\ud800","protocolVersion":"\\udc00"}'),
  );
  assert(found.kind === "request");
  assertEquals(found.params?.protocolVersion?.value, "\udc00");
  const other = message(call('{"arguments":"\\ud800","name":"a"}'));
  assertEquals(other.kind, "request");
});

Deno.test("scan() calls a byte order mark by its name", () => {
  assertEquals(malformed("\ufeff{}").reason, "a byte order mark");
});

const PARSE_ERRORS: readonly {
  name: string;
  body: string | readonly number[];
  offset: number;
}[] = [
  { name: "nothing", body: "", offset: 0 },
  { name: "white space alone", body: " \n", offset: 0 },
  { name: "a byte order mark", body: "\ufeff{}", offset: 0 },
  { name: "data behind the message", body: "{} {}", offset: 3 },
  { name: "a NUL behind the message", body: "{}\0", offset: 2 },
  { name: "a form feed as white space", body: "{\f}", offset: 1 },
  { name: "a comment", body: "{/**/}", offset: 1 },
  { name: "an unquoted key", body: "{a:1}", offset: 1 },
  { name: "a single-quoted key", body: "{'a':1}", offset: 1 },
  { name: "a trailing comma in an object", body: '{"a":1,}', offset: 7 },
  { name: "a trailing comma in an array", body: "[1,]", offset: 3 },
  { name: "two commas", body: '{"a":1,,"b":1}', offset: 7 },
  { name: "no colon", body: '{"a" 1}', offset: 5 },
  { name: "the wrong bracket", body: '{"a":[1}}', offset: 7 },
  { name: "a body that ends in a key", body: '{"a', offset: 3 },
  { name: "a body that ends in a value", body: '{"a":', offset: 5 },
  { name: "a body that ends behind a value", body: '{"a":1', offset: 6 },
  { name: "a literal cut short", body: '{"a":tru}', offset: 5 },
  { name: "a literal in capitals", body: '{"a":True}', offset: 5 },
  { name: "NaN", body: '{"a":NaN}', offset: 5 },
  { name: "Infinity", body: '{"a":-Infinity}', offset: 6 },
  { name: "a leading zero", body: '{"a":01}', offset: 5 },
  { name: "a leading plus", body: '{"a":+1}', offset: 5 },
  { name: "a number ending in a dot", body: '{"a":1.}', offset: 7 },
  { name: "a number beginning with a dot", body: '{"a":.1}', offset: 5 },
  { name: "an empty exponent", body: '{"a":1e+}', offset: 8 },
  { name: "a hexadecimal number", body: '{"a":0x1}', offset: 6 },
  { name: "a line break in a string", body: '{"a":"\n"}', offset: 6 },
  { name: "a tab in a key", body: '{"\t":1}', offset: 2 },
  { name: "an unknown escape", body: '{"a":"\\x41"}', offset: 6 },
  { name: "an escape cut short", body: '{"a":"\\u004"}', offset: 6 },
  { name: "a capital U in an escape", body: '{"a":"\\U0041"}', offset: 6 },
  { name: "a bare continuation byte", body: [0x22, 0x80, 0x22], offset: 1 },
  { name: "an overlong slash", body: [0x22, 0xc0, 0xaf, 0x22], offset: 1 },
  {
    name: "an overlong sequence of three",
    body: [0x22, 0xe0, 0x9f, 0xbf, 0x22],
    offset: 1,
  },
  {
    name: "an overlong sequence of four",
    body: [0x22, 0xf0, 0x8f, 0xbf, 0xbf, 0x22],
    offset: 1,
  },
  {
    name: "a surrogate in UTF-8",
    body: [0x22, 0x61, 0xed, 0xa0, 0x80, 0x22],
    offset: 2,
  },
  {
    name: "a character beyond U+10FFFF",
    body: [0x22, 0xf4, 0x90, 0x80, 0x80, 0x22],
    offset: 1,
  },
  { name: "a lead byte of five", body: [0x22, 0xf8, 0x88, 0x22], offset: 1 },
  {
    name: "a sequence cut by a quote",
    body: [0x22, 0xe2, 0x82, 0x22],
    offset: 1,
  },
  {
    name: "a lead byte of 0xF5",
    body: [0x22, 0xf5, 0x80, 0x80, 0x80, 0x22],
    offset: 1,
  },
  { name: "a lead byte at the end", body: [0x22, 0xc3], offset: 1 },
  { name: "a sequence cut by the end", body: [0x22, 0xe2, 0x82], offset: 1 },
  { name: "UTF-8 outside a string", body: "{é}", offset: 1 },
];

for (const { name, body, offset } of PARSE_ERRORS) {
  Deno.test(`scan() refuses ${name} as a parse error`, () => {
    const found = malformed(
      typeof body === "string" ? body : Uint8Array.from(body),
    );
    assertEquals([found.refusal, found.offset], ["parse error", offset]);
  });
}

const DUPLICATES: readonly { name: string; body: string; id: string | null }[] =
  [
    {
      name: "a method twice",
      body: '{"jsonrpc":"2.0","id":7,"method":"a","method":"a"}',
      id: "7",
    },
    {
      name: "an id twice, which leaves none",
      body: '{"jsonrpc":"2.0","id":7,"id":8,"method":"a"}',
      id: null,
    },
    {
      name: "a name twice, once in escapes",
      body: call('{"name":"a","\\u006eame":"b"}'),
      id: "1",
    },
    {
      name: "a name twice, both in escapes",
      body: call('{"n\\u0061me":"a","\\u006eame":"b"}'),
      id: "1",
    },
    {
      name: "an argument twice",
      body: call('{"arguments":{"a":[{"x":1,"y":2,"x":3}]}}'),
      id: "1",
    },
    {
      name: "an unknown member twice",
      body: '{"jsonrpc":"2.0","id":7,"method":"a","x":1,"x":1}',
      id: "7",
    },
    { name: "an empty key twice", body: call('{"":1,"":1}'), id: "1" },
    {
      name: "a key outside the basic plane twice, once in escapes",
      body: call('{"😀":1,"\\uD83D\\ude00":1}'),
      id: "1",
    },
    {
      name: "the first of forty keys again",
      body: call(
        `{${Array.from({ length: 41 }, (_, i) => `"k${i % 40}":0`).join(",")}}`,
      ),
      id: "1",
    },
    {
      name: "a key again behind another object",
      body: call('{"a":1,"b":{"a":1,"c":2},"a":3}'),
      id: "1",
    },
  ];

for (const { name, body, id } of DUPLICATES) {
  Deno.test(`scan() refuses ${name}`, () => {
    const { refusal, reason, id: found } = malformed(body);
    assertEquals([refusal, reason, found], [
      "parse error",
      "duplicate key",
      id,
    ]);
  });
}

Deno.test("scan() takes equal keys in different objects, and alike ones in one", () => {
  const keys = [
    "a",
    "A",
    "ab",
    "aa",
    "axb",
    "ayb",
    "\\u0061\\u0301",
    "á",
    "",
    '\\"a',
    "\\\\a",
    "1",
    "01",
  ].map((key) => `"${key}":{"a":{"a":1}}`);
  assertEquals(message(call(`{"x":{${keys}},"y":{${keys}}}`)).kind, "request");
});

const ENVELOPE_VARIANTS = [
  "JSONRPC",
  "Jsonrpc",
  "jſonrpc",
  "ID",
  "Id",
  "iD",
  "Method",
  "\\u004dethod",
  "Params",
  "paramſ",
  "Result",
  "reſult",
  "Error",
  "ERROR",
];
const PARAMS_VARIANTS = [
  "Name",
  "NAME",
  "nAme",
  "\\u004eame",
  "Uri",
  "URI",
  "Arguments",
  "argumentſ",
  "argument\\u017f",
  "_Meta",
  "_META",
  "Ref",
  "Cursor",
  "curſor",
  "protocolversion",
  "protocolVerſion",
  "requestID",
  "requestid",
  "Capabilities",
  "clientinfo",
];

for (const key of ENVELOPE_VARIANTS) {
  Deno.test(`scan() refuses ${key} beside the envelope`, () => {
    for (
      const body of [
        `{"${key}":1,"jsonrpc":"2.0","method":"m","id":5}`,
        `{"jsonrpc":"2.0","method":"m","id":5,"${key}":{}}`,
      ]
    ) {
      const { refusal, id } = malformed(body);
      assertEquals([refusal, id], ["invalid request", "5"]);
    }
  });
}

for (const key of PARAMS_VARIANTS) {
  Deno.test(`scan() refuses ${key} in params`, () => {
    for (const params of [`{"${key}":"b"}`, `{"name":"a","${key}":"b"}`]) {
      const { refusal, id } = malformed(call(params));
      assertEquals([refusal, id], ["invalid request", "1"]);
    }
  });
}

Deno.test("scan() takes keys that only resemble a name", () => {
  const envelope = ["ids", "i", "method ", "met", "ıd", "méthod", "İd"]
    .map((key) => `"${key}":1`);
  const params = [
    "names",
    "nam",
    "?meta",
    "\\u007fmeta",
    "nаme",
    "META",
    "_metà",
  ]
    .map((key) => `"${key}":1`);
  const body = `{"jsonrpc":"2.0","id":1,"method":"m",${envelope},` +
    `"params":{${params},"arguments":{"Name":1,"NAME":2}}}`;
  assertEquals(message(body).kind, "request");
});

const IDS_OF_REFUSALS: readonly {
  name: string;
  body: string;
  refusal: Malformed["refusal"];
  id: string | null;
}[] = [
  {
    name: "an id that stands behind the problem",
    body: '{"Method":"m","jsonrpc":"2.0","id":"z"}',
    refusal: "invalid request",
    id: '"z"',
  },
  {
    name: "an id that stands before a parse error",
    body: '{"jsonrpc":"2.0","id":3,"method":}',
    refusal: "parse error",
    id: "3",
  },
  {
    name: "no id where it stands behind a parse error",
    body: '{"jsonrpc":"2.0","method":,"id":3}',
    refusal: "parse error",
    id: null,
  },
  {
    name: "the id where other data follow the message",
    body: '{"jsonrpc":"2.0","method":"m","id":3}]',
    refusal: "parse error",
    id: "3",
  },
  {
    name: "no id where other data follow a notification",
    body: '{"jsonrpc":"2.0","method":"m"}]',
    refusal: "parse error",
    id: null,
  },
  {
    name: "the parse error, if there is also an invalid request",
    body: '{"ID":1,"id":2,"a":}',
    refusal: "parse error",
    id: "2",
  },
  {
    name: "no id from inside params",
    body: '{"jsonrpc":"2.0","params":{"id":4},"method":1}',
    refusal: "invalid request",
    id: null,
  },
  {
    name: "the id of a batch's first invalid message",
    body: '[{"jsonrpc":"2.0","id":1,"method":"m"},{"id":2},{"id":3}]',
    refusal: "invalid request",
    id: "2",
  },
  {
    name: "a parse error behind a batch's invalid message",
    body: '[{"id":2},{"id":3,}]',
    refusal: "parse error",
    id: "3",
  },
  {
    name: "no id where a batch does not end",
    body: '[{"jsonrpc":"2.0","id":1,"method":"m"}',
    refusal: "parse error",
    id: null,
  },
];

for (const { name, body, refusal, id } of IDS_OF_REFUSALS) {
  Deno.test(`scan() refuses with ${name}`, () => {
    const found = malformed(body);
    assertEquals([found.refusal, found.id], [refusal, id]);
  });
}

Deno.test("scan() tells of the first of two problems", () => {
  const found = malformed('{"jsonrpc":"2.0","params":1,"method":2}');
  assertEquals(found.offset, 26);
});

Deno.test("scan() reads a batch, with spans in the whole body", () => {
  const bodies = [
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"é"}}',
    '{"jsonrpc":"2.0","method":"notifications/progress"}',
    '{"jsonrpc":"2.0","id":"r","result":{}}',
  ];
  const bytes = bytesOf(` [ ${bodies.join(" ,\n")} ] `);
  const batch = scan(bytes);
  assert(batch.kind === "batch");
  const { messages } = batch;
  assertEquals(
    messages.map(({ kind }): string => kind),
    ["request", "notification", "response"],
  );
  assertEquals(messages.map(({ span }) => text(bytes, span)), bodies);
  const [first] = messages;
  assert(first?.kind === "request" && first.params?.name !== undefined);
  assertEquals(first.params.name.value, "é");
  assertEquals(text(bytes, first.params.name), '"é"');
});

Deno.test("scan() counts the message among the levels of its depth", () => {
  const nested = (levels: number) =>
    `${"[".repeat(levels)}${"]".repeat(levels)}`;
  assertEquals(message(call(`{"v":${nested(62)}}`)).kind, "request");
  assertEquals(
    malformed(call(`{"v":${nested(63)}}`)).reason,
    "nested too deeply",
  );
  const limits = { maxDepth: 1 };
  assertEquals(
    scan(bytesOf('{"jsonrpc":"2.0","method":"m"}'), limits).kind,
    "notification",
  );
  assertEquals(scan(bytesOf(call("{}")), limits).kind, "malformed");
  // Siblings do not add up.
  assertEquals(
    message(call(`{"v":[${Array(200).fill("[[{}]]")}]}`)).kind,
    "request",
  );
});

for (
  const [name, open] of [["arrays", "["], ["objects", '{"a":']] as const
) {
  Deno.test(`scan() refuses a million nested ${name} at once`, () => {
    const body = bytesOf(open.repeat(1_000_000));
    const params = bytesOf(call(`{"v":${open.repeat(1_000_000)}`));
    for (const bytes of [body, params]) {
      const { reason, offset } = malformed(bytes);
      assertEquals(reason, "nested too deeply");
      // It stops where the limit is, not at the end.
      assertLess(offset, 1_000);
    }
  });
}

Deno.test("scan() needs no stack for the depth that it allows", () => {
  const depth = 1_000_000;
  const body = call(`{"v":${"[".repeat(depth)}${"]".repeat(depth)}}`);
  assertEquals(scan(bytesOf(body), { maxDepth: depth + 2 }).kind, "request");
});

/** The largest body that the gateway takes by default. */
const LARGEST = 4 << 20;

const HOSTILE: readonly { name: string; params: () => string }[] = [
  {
    name: "distinct keys",
    params: () => `{${keysOf(400_000, (i) => `k${i}`)}}`,
  },
  {
    name: "keys that look like array indices",
    params: () => `{${keysOf(300_000, (i) => String(i * 65536))}}`,
  },
  {
    name: "keys in escapes",
    params: () => `{${keysOf(250_000, (i) => `\\u006e${i}`)}}`,
  },
  {
    name: "a name in escapes",
    params: () => `{"name":"${"a\\n".repeat(LARGEST / 3)}"}`,
  },
  {
    name: "objects with a key in escapes",
    params: () => `{"v":[${Array(LARGEST / 16).fill('{"\\u0061":0}')}]}`,
  },
  {
    name: "long keys that differ at the end",
    params: () =>
      `{${keysOf(16, (i) => `${"x".repeat(LARGEST / 16 - 9)}${i % 10}${i}z`)}}`,
  },
];

function keysOf(count: number, key: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => `"${key(i)}":0`).join(",");
}

for (const { name, params } of HOSTILE) {
  Deno.test(`scan() stays linear with 4 MiB of ${name}`, () => {
    const bytes = bytesOf(call(params()));
    const begun = performance.now();
    assertEquals(scan(bytes).kind, "request");
    // Quadratic would be minutes.
    assertLess(performance.now() - begun, 10_000);
  });
}

Deno.test("scan() refuses the last of many keys as a duplicate", () => {
  const keys = keysOf(100_000, (i) => `k${i}`);
  const again = call(`{"v":{${keys},"k4\\u0032":0}}`);
  assertEquals(malformed(again).reason, "duplicate key");
});

Deno.test("scan() takes a string of 1 MiB, and finds what is wrong near its end", () => {
  for (const unit of ["x", "é", "日", "😀", "\\n", "\\ud83d\\ude00", "x\\\\"]) {
    const long = unit.repeat((1 << 20) / unit.length);
    const bytes = bytesOf(call(`{"name":"a","arguments":"${long}"}`));
    const found = scan(bytes);
    assert(found.kind === "request" && found.params?.arguments !== undefined);
    assertEquals(text(bytes, found.params.arguments), `"${long}"`);
    for (let back = 4; back < 24; back++) {
      const broken = bytes.slice();
      broken[bytes.length - back] = 0x1f;
      assertEquals(scan(broken).kind, "malformed");
    }
  }
});

Deno.test("scan() finds every special byte wherever it stands in a long string", () => {
  for (let shift = 0; shift < 4; shift++) {
    for (let at = 0; at < 40; at++) {
      for (const special of [0x00, 0x1f, 0x22, 0x5c, 0x80, 0xff]) {
        const body = bytesOf(`${" ".repeat(300)}"${"~".repeat(44)}"`);
        const placed = new Uint8Array(body.length + shift).subarray(shift);
        placed.set(body);
        placed[301 + at] = special;
        const found = malformed(placed);
        assertEquals(found.refusal, "parse error");
        assertEquals(found.offset, 301 + at + (special === 0x22 ? 1 : 0));
      }
    }
  }
});

Deno.test("scan() leaves numbers that no double holds as they are", () => {
  const args = '{"a":9007199254740993,"b":1e400,"c":-0.10e-9999}';
  const bytes = bytesOf(call(`{"arguments":${args}}`));
  const found = scan(bytes);
  assert(found.kind === "request" && found.params?.arguments !== undefined);
  assertEquals(text(bytes, found.params.arguments), args);
});

Deno.test("scan() reads a view that begins inside a buffer, and nothing around it", () => {
  const body = bytesOf(call(`{"name":"${"n".repeat(400)}"}`));
  for (let shift = 0; shift < 8; shift++) {
    const buffer = new Uint8Array(body.length + 16).fill(0x22);
    buffer.set(body, shift);
    const view = buffer.subarray(shift, shift + body.length);
    assertEquals(scan(view), scan(body));
    assertEquals(scan(view.subarray(0, -3)).kind, "malformed");
  }
});

Deno.test("scan() reads members only where they have their type", () => {
  const found = message(
    call(
      '{"name":1,"uri":null,"protocolVersion":{},"requestId":1.5,"progressToken":{},"arguments":2,"ref":""}',
    ),
  );
  assert(found.kind === "request" && found.params !== undefined);
  assertEquals(
    Object.keys(found.params).sort(),
    ["arguments", "end", "ref", "start"],
  );
});

Deno.test("scan() gives reasons without data from the message", () => {
  const bodies = [
    ...PARSE_ERRORS.map(({ body }) => body),
    ...INVALID_REQUESTS.map(({ body }) => body),
    ...DUPLICATES.map(({ body }) => body),
  ];
  const reasons = new Set(
    bodies.map((body) =>
      malformed(typeof body === "string" ? body : Uint8Array.from(body)).reason
    ),
  );
  assert(!reasons.has(""));
  // Few fixed sentences serve all of the tables.
  assertLess(reasons.size, 40);
});
