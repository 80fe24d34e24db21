import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import type { ParamHeader } from "../catalog.ts";
import { applyEdits } from "../jsonrpc/edit.ts";
import { scan } from "../jsonrpc/scanner.ts";
import {
  checkParamHeaders,
  paramHeaderEdits,
  paramHeadersOf,
  paramHeaderValues,
} from "./param_headers.ts";

const ENCODER = new TextEncoder();

const toolWith = (inputSchema: unknown) =>
  ENCODER.encode(JSON.stringify({ name: "t", inputSchema }));

const object = (properties: Record<string, unknown>, more = {}) => ({
  type: "object",
  properties,
  ...more,
});

const region = { type: "string", "x-mcp-header": "Region" };

const VALID: readonly {
  readonly name: string;
  readonly schema: unknown;
  readonly want: readonly ParamHeader[];
}[] = [
  {
    name: "no annotation",
    schema: object({ a: { type: "string" } }),
    want: [],
  },
  {
    name: "one of each type",
    schema: object({
      a: { type: "string", "x-mcp-header": "A" },
      b: { type: "integer", "x-mcp-header": "b" },
      c: { type: "boolean", "x-mcp-header": "!#$%&'*+-.^_`|~9" },
    }),
    want: [
      { header: "a", path: ["a"], type: "string" },
      { header: "b", path: ["b"], type: "integer" },
      { header: "!#$%&'*+-.^_`|~9", path: ["c"], type: "boolean" },
    ],
  },
  {
    name: "one below another property",
    schema: object({ where: object({ "a.b": region }) }),
    want: [{ header: "region", path: ["where", "a.b"], type: "string" }],
  },
  {
    name: "a property that is called like the annotation",
    schema: object({ "x-mcp-header": { type: "string" } }),
    want: [],
  },
  {
    name: "properties that are called like keywords",
    schema: object({ items: region, properties: { type: "string" } }),
    want: [{ header: "region", path: ["items"], type: "string" }],
  },
  {
    name: "a property called __proto__",
    schema: JSON.parse(
      '{"type":"object","properties":{"__proto__":{"type":"string","x-mcp-header":"P"}}}',
    ),
    want: [{ header: "p", path: ["__proto__"], type: "string" }],
  },
  {
    name: "the word in data, which is no annotation",
    schema: object({
      a: {
        type: "object",
        default: { "x-mcp-header": "" },
        examples: [{ "x-mcp-header": 1 }],
        enum: [{ "x-mcp-header": 1 }],
        const: { "x-mcp-header": 1 },
      },
    }),
    want: [],
  },
];
for (const { name, schema, want } of VALID) {
  Deno.test(`paramHeadersOf() reads ${name}`, () => {
    assertEquals(paramHeadersOf(toolWith(schema)), {
      kind: "headers",
      headers: want,
    });
  });
}

Deno.test("paramHeadersOf() reads an annotation whose key is written with escapes", () => {
  const raw =
    '{"name":"t","inputSchema":{"type":"object","properties":{"r":{"type":"string","x-\\u006dcp-header":"R"}}}}';
  assertEquals(paramHeadersOf(ENCODER.encode(raw)), {
    kind: "headers",
    headers: [{ header: "r", path: ["r"], type: "string" }],
  });
});

const INVALID: readonly {
  readonly name: string;
  readonly schema: unknown;
  readonly why: string;
}[] = [
  {
    name: "an empty name",
    schema: object({ a: { type: "string", "x-mcp-header": "" } }),
    why: "is empty",
  },
  {
    name: "a name that is no string",
    schema: object({ a: { type: "string", "x-mcp-header": true } }),
    why: "is not a string",
  },
  {
    name: "a name of null",
    schema: object({ a: { type: "string", "x-mcp-header": null } }),
    why: "is not a string",
  },
  ...[" ", "a b", "a:b", "a\r\nb", "ü", "a\0", "(a)"].map((value) => ({
    name: `the name ${JSON.stringify(value)}`,
    schema: object({ a: { type: "string", "x-mcp-header": value } }),
    why: "is not the name of a header",
  })),
  {
    name: "a very long name",
    schema: object({ a: { type: "string", "x-mcp-header": "a".repeat(129) } }),
    why: "is longer than 128 characters",
  },
  ...["number", "object", "array", "null", undefined, ["string", "null"]].map(
    (type) => ({
      name: `a property of type ${JSON.stringify(type)}`,
      schema: object({ a: { type, "x-mcp-header": "A" } }),
      why: "whose type is not string, integer or boolean",
    }),
  ),
  {
    name: "two names that differ by case",
    schema: object({
      a: region,
      b: object({ c: { type: "integer", "x-mcp-header": "REGION" } }),
    }),
    why: "is given to two properties",
  },
  {
    name: "one on the schema itself",
    schema: { ...object({}), "x-mcp-header": "Root" },
    why: "no chain of properties",
  },
  {
    name: "more than 32",
    schema: object(Object.fromEntries(
      Array.from(
        { length: 33 },
        (_, i) => [`a${i}`, { type: "string", "x-mcp-header": `H${i}` }],
      ),
    )),
    why: "more than 32",
  },
  ...[
    ["items", object({ l: { type: "array", items: object({ r: region }) } })],
    ["items as a list", object({ l: { items: [region] } })],
    ["prefixItems", object({ l: { prefixItems: [region] } })],
    ["contains", object({ l: { contains: region } })],
    ["additionalProperties", object({}, { additionalProperties: region })],
    ["unevaluatedProperties", object({}, { unevaluatedProperties: region })],
    ["patternProperties", object({}, { patternProperties: { "^r": region } })],
    ["propertyNames", object({}, { propertyNames: region })],
    [
      "dependentSchemas",
      object({}, { dependentSchemas: { a: object({ r: region }) } }),
    ],
    [
      "dependencies",
      object({}, { dependencies: { a: object({ r: region }) } }),
    ],
    ["oneOf", object({ r: { oneOf: [region, { type: "null" }] } })],
    ["anyOf", object({}, { anyOf: [object({ r: region })] })],
    ["allOf", object({}, { allOf: [object({ r: region })] })],
    ["not", object({}, { not: object({ r: region }) })],
    ["if", object({}, { if: object({ r: region }) })],
    ["then", object({}, { then: object({ r: region }) })],
    ["else", object({}, { else: object({ r: region }) })],
    ["$defs", object({ r: { $ref: "#/$defs/r" } }, { $defs: { r: region } })],
    ["definitions", object({}, { definitions: { r: region } })],
  ].map(([where, schema]) => ({
    name: `one below ${where}`,
    schema,
    why: "no chain of properties",
  })),
];
for (const { name, schema, why } of INVALID) {
  Deno.test(`paramHeadersOf() finds a tool invalid for ${name}`, () => {
    const outcome = paramHeadersOf(toolWith(schema));
    assert(outcome.kind === "invalid");
    assertStringIncludes(outcome.reason, why);
  });
}

Deno.test("paramHeaderEdits() takes every annotation out, and nothing else", () => {
  const annotated = object({
    a: region,
    "x-mcp-header": { type: "string", default: { "x-mcp-header": 1 } },
    l: { items: [region, { anyOf: [region, true] }] },
  }, { $defs: { r: region }, "x-mcp-header": {} });
  const tool = toolWith(annotated);
  const edits = paramHeaderEdits(tool);
  assert(edits !== undefined);
  const plain = { type: "string" };
  assertEquals(
    JSON.parse(new TextDecoder().decode(applyEdits(tool, edits))).inputSchema,
    object({
      a: plain,
      "x-mcp-header": { type: "string", default: { "x-mcp-header": 1 } },
      l: { items: [plain, { anyOf: [plain, true] }] },
    }, { $defs: { r: plain } }),
  );
  assertEquals(paramHeaderEdits(toolWith(object({}))), []);
});

Deno.test("paramHeaderEdits() does not write huge tools anew", () => {
  const tool = toolWith(object({ a: region }, { title: "x".repeat(2 ** 20) }));
  assertEquals(paramHeaderEdits(tool), undefined);
});

const HEADERS: readonly ParamHeader[] = [
  { header: "none", path: ["deep", "0", "0"], type: "integer" },
  { header: "s", path: ["s"], type: "string" },
  { header: "i", path: ["deep", "i"], type: "integer" },
  { header: "b", path: ["deep", "b"], type: "boolean" },
];

function callWith(args: string | undefined) {
  const bytes = ENCODER.encode(
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"${
      args === undefined ? "" : `,"arguments":${args}`
    }}}`,
  );
  const message = scan(bytes);
  assert(message.kind === "request");
  return [bytes, message] as const;
}

const VALUES: readonly {
  readonly args: string | undefined;
  readonly want: Record<string, string>;
}[] = [
  { args: undefined, want: {} },
  { args: "{}", want: {} },
  { args: "[1]", want: {} },
  { args: '{"s":null,"deep":null}', want: {} },
  { args: '{"s":"us-west1"}', want: { s: "us-west1" } },
  { args: '{"s":""}', want: { s: "=?base64??=" } },
  {
    args: '{"s":"Hello, 世界"}',
    want: { s: "=?base64?SGVsbG8sIOS4lueVjA==?=" },
  },
  { args: '{"s":" padded "}', want: { s: "=?base64?IHBhZGRlZCA=?=" } },
  { args: '{"s":"line1\\nline2"}', want: { s: "=?base64?bGluZTEKbGluZTI=?=" } },
  {
    args: '{"s":"=?base64?literal?="}',
    want: { s: "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=" },
  },
  {
    args: '{"deep":{"i":-7,"b":false}}',
    want: { i: "-7", b: "false" },
  },
  { args: '{"deep":{"i":4.2e1}}', want: { i: "42" } },
  { args: '{"deep":{"i":9007199254740991}}', want: { i: "9007199254740991" } },
  { args: '{"deep":{"i":9007199254740993}}', want: {} },
  { args: '{"deep":[{"i":1}]}', want: {} },
  { args: '{"deep":{"0":[5]}}', want: {} },
  { args: '{"s":{"x":1},"deep":{"i":[1]}}', want: {} },
];
for (const { args, want } of VALUES) {
  Deno.test(`paramHeaderValues() for arguments ${args}`, () => {
    assertEquals(
      Object.fromEntries(
        paramHeaderValues(HEADERS, ...callWith(args)).map((
          [name, value],
        ) => [name.slice("mcp-param-".length), value]),
      ),
      want,
    );
  });
}

const CHECKS: readonly {
  readonly name: string;
  readonly args: string | undefined;
  readonly headers: Record<string, string>;
  readonly want?: string;
}[] = [
  { name: "nothing to mirror", args: "{}", headers: {} },
  { name: "no arguments at all", args: undefined, headers: {} },
  { name: "a value and its header", args: '{"s":"a"}', headers: { s: "a" } },
  {
    name: "a value in Base64",
    args: '{"s":"Hello"}',
    headers: { s: "=?base64?SGVsbG8=?=" },
  },
  { name: "an empty value", args: '{"s":""}', headers: { s: "" } },
  {
    name: "a header of another name",
    args: "{}",
    headers: { other: "x" },
  },
  {
    name: "a missing header",
    args: '{"s":"a"}',
    headers: {},
    want: "Mcp-Param-s is missing",
  },
  {
    name: "another value",
    args: '{"s":"a"}',
    headers: { s: "b" },
    want: "Mcp-Param-s is not what the arguments say",
  },
  {
    name: "another case",
    args: '{"s":"a"}',
    headers: { s: "A" },
    want: "Mcp-Param-s is not what the arguments say",
  },
  {
    name: "a header for null",
    args: '{"s":null}',
    headers: { s: "null" },
    want: "Mcp-Param-s is not what the arguments say",
  },
  {
    name: "a header for what is absent",
    args: "{}",
    headers: { i: "1" },
    want: "Mcp-Param-i is not what the arguments say",
  },
  {
    name: "Base64 without its padding",
    args: '{"s":"Hello"}',
    headers: { s: "=?base64?SGVsbG8?=" },
    want: "Mcp-Param-s is malformed: its Base64 is not valid",
  },
  {
    name: "characters that no header has",
    args: '{"s":"ü"}',
    headers: { s: "ü" },
    want:
      "Mcp-Param-s is malformed: it has characters that are not visible ASCII",
  },
  {
    name: "an integer with a fraction of zero",
    args: '{"deep":{"i":42}}',
    headers: { i: "42.0" },
  },
  {
    name: "an integer whose body has a fraction of zero",
    args: '{"deep":{"i":42.0}}',
    headers: { i: "42" },
  },
  {
    name: "another integer",
    args: '{"deep":{"i":42}}',
    headers: { i: "43" },
    want: "Mcp-Param-i is not what the arguments say",
  },
  {
    name: "an integer in hexadecimal",
    args: '{"deep":{"i":42}}',
    headers: { i: "0x2a" },
    want: "Mcp-Param-i is not what the arguments say",
  },
  {
    name: "an integer that is a string in the body",
    args: '{"deep":{"i":"42"}}',
    headers: { i: "42.0" },
    want: "Mcp-Param-i is not what the arguments say",
  },
  {
    name: "an integer beyond what a double holds, in the same digits",
    args: '{"deep":{"i":9007199254740993}}',
    headers: { i: "9007199254740993" },
  },
  {
    name: "an integer beyond what a double holds, in others that round to it",
    args: '{"deep":{"i":9007199254740993}}',
    headers: { i: "9007199254740992" },
    want: "Mcp-Param-i is not what the arguments say",
  },
  {
    name: "an integer beyond what a double holds, without a header",
    args: '{"deep":{"i":9007199254740993}}',
    headers: {},
  },
  {
    name: "a boolean",
    args: '{"deep":{"b":true}}',
    headers: { b: "true" },
  },
  {
    name: "a boolean in capital letters",
    args: '{"deep":{"b":true}}',
    headers: { b: "True" },
    want: "Mcp-Param-b is not what the arguments say",
  },
];
for (const { name, args, headers, want } of CHECKS) {
  Deno.test(`checkParamHeaders() on ${name}`, () => {
    const refusal = checkParamHeaders(
      HEADERS,
      ...callWith(args),
      (header) => headers[header.slice("mcp-param-".length)],
    );
    assertEquals(refusal?.detail, want);
    assertEquals(
      refusal?.kind,
      want === undefined ? undefined : "header mismatch",
    );
  });
}

Deno.test("checkParamHeaders() accepts what paramHeaderValues() wrote, through Headers", () => {
  const value = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.jsonValue(),
  );
  fc.assert(fc.property(value, value, value, (s, i, b) => {
    const call = callWith(JSON.stringify({ s, deep: { i, b } }));
    const sent = new Headers(
      paramHeaderValues(HEADERS, ...call).map(([name, value]) => [name, value]),
    );
    assertEquals(
      checkParamHeaders(
        HEADERS,
        ...call,
        (name) => sent.get(name) ?? undefined,
      ),
      undefined,
    );
  }));
});

Deno.test("checkParamHeaders() refuses any other string than the one sent", () => {
  fc.assert(fc.property(fc.string(), fc.string(), (sent, said) => {
    fc.pre(sent !== said);
    const [[, header]] = paramHeaderValues(
      HEADERS,
      ...callWith(JSON.stringify({ s: said })),
    ) as [[string, string]];
    const refusal = checkParamHeaders(
      HEADERS,
      ...callWith(JSON.stringify({ s: sent })),
      () => header,
    );
    assertEquals(refusal?.kind, "header mismatch");
  }));
});
