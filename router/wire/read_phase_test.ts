import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ProcessingRequestSchema } from "../../proto/gen/envoy/service/ext_proc/v3/external_processor_pb.ts";
import { readAnyPhase } from "./read_any_phase.ts";
import { readCommonPhase } from "./read_common_phase.ts";
import { readPhase } from "./read_phase.ts";

const utf8 = new TextEncoder();

function request(
  init: MessageInitShape<typeof ProcessingRequestSchema>,
): Uint8Array {
  return toBinary(
    ProcessingRequestSchema,
    create(ProcessingRequestSchema, init),
  );
}

Deno.test("readPhase() reads request headers, raw or plain", () => {
  const phase = readPhase(request({
    request: {
      case: "requestHeaders",
      value: {
        headers: {
          headers: [
            { key: ":path", rawValue: utf8.encode("/mcp") },
            { key: "x", value: "plain" },
          ],
        },
        endOfStream: true,
      },
    },
  }));
  assertEquals(phase, {
    kind: "request headers",
    head: { headers: [[":path", "/mcp"], ["x", "plain"]], endOfStream: true },
  });
});

Deno.test("readPhase() finds the claims that jwt_authn verified", () => {
  const claims = { iss: "https://issuer", sub: "ada" };
  const phase = readPhase(request({
    request: { case: "requestHeaders", value: {} },
    metadataContext: {
      filterMetadata: {
        "envoy.filters.http.jwt_authn": { header: { alg: "RS256" }, p: claims },
      },
    },
  }));
  assertEquals(
    phase.kind === "request headers" && phase.head.verifiedClaims,
    claims,
  );
});

Deno.test("readPhase() reads where a response comes from", () => {
  const phase = readPhase(request({
    request: { case: "responseHeaders", value: {} },
    attributes: {
      "envoy.filters.http.ext_proc": {
        "response.code_details": "via_upstream",
      },
    },
  }));
  assertEquals(phase, {
    kind: "response headers",
    head: { headers: [], codeDetails: "via_upstream" },
  });
});

for (const end of [false, true]) {
  Deno.test(`readPhase() reads a chunk of a response, ${end ? "the last" : "not the last"}`, () => {
    const body = utf8.encode("data");
    const phase = readPhase(request({
      request: { case: "responseBody", value: { body, endOfStream: end } },
    }));
    if (phase.kind !== "response body") throw new Error(phase.kind);
    assertEquals([[...phase.bytes], phase.end], [[...body], end]);
  });
}

Deno.test("readPhase() names phases that the router never asks for", () => {
  assertEquals(
    readPhase(request({ request: { case: "responseTrailers", value: {} } })),
    { kind: "unexpected", name: "responseTrailers" },
  );
});

Deno.test("readPhase() throws on bytes that are no message", () => {
  assertThrows(() => readPhase(new Uint8Array([0xff])), Error);
});

type Init = MessageInitShape<typeof ProcessingRequestSchema>;

/** Messages as Envoy 1.40 writes them with every request. */
const COMMON: readonly { readonly name: string; readonly init: Init }[] = [
  {
    name: "request headers",
    init: {
      request: {
        case: "requestHeaders",
        value: {
          headers: {
            headers: [
              { key: ":method", rawValue: utf8.encode("POST") },
              { key: "x-empty", rawValue: utf8.encode("") },
              { key: "x-name", rawValue: utf8.encode("Žofie 🎻") },
              { key: "x-no-utf-8", rawValue: new Uint8Array([0x61, 0xff]) },
              { key: "x-long", rawValue: utf8.encode("v".repeat(300)) },
            ],
          },
        },
      },
      metadataContext: {},
      protocolConfig: { requestBodyMode: 2, responseBodyMode: 1 },
    },
  },
  {
    name: "request headers without a body to follow",
    init: {
      request: { case: "requestHeaders", value: { endOfStream: true } },
    },
  },
  {
    name: "a request body",
    init: {
      request: {
        case: "requestBody",
        value: { body: utf8.encode("x".repeat(70_000)), endOfStream: true },
      },
    },
  },
  {
    name: "an empty body",
    init: { request: { case: "requestBody", value: {} } },
  },
  {
    name: "response headers",
    init: {
      request: {
        case: "responseHeaders",
        value: {
          headers: { headers: [{ key: ":status", value: "200" }] },
          endOfStream: true,
        },
      },
      attributes: {
        "envoy.filters.http.ext_proc": {
          "response.code_details": "via_upstream",
        },
      },
    },
  },
  {
    name: "response headers without attributes",
    init: { request: { case: "responseHeaders", value: {} } },
  },
  {
    name: "a chunk of a response",
    init: {
      request: { case: "responseBody", value: { body: utf8.encode("data") } },
    },
  },
];

for (const { name, init } of COMMON) {
  Deno.test(`readCommonPhase() reads ${name} as the generated codec does`, () => {
    const bytes = request(init);
    assertEquals(readCommonPhase(bytes), readAnyPhase(bytes));
  });
}

/** Messages that say more, or less, than these: the generated codec reads them. */
const RARE: readonly { readonly name: string; readonly bytes: Uint8Array }[] = [
  {
    name: "verified claims",
    bytes: request({
      request: { case: "requestHeaders", value: {} },
      metadataContext: {
        filterMetadata: { "envoy.filters.http.jwt_authn": { sub: "ada" } },
      },
    }),
  },
  {
    name: "other attributes",
    bytes: request({
      request: { case: "responseHeaders", value: {} },
      attributes: {
        "envoy.filters.http.ext_proc": {
          "response.code_details": "via_upstream",
          "response.code": 200,
        },
      },
    }),
  },
  {
    name: "attributes of another filter",
    bytes: request({
      request: { case: "responseHeaders", value: {} },
      attributes: { other: { "response.code_details": "via_upstream" } },
    }),
  },
  {
    name: "an attribute that is no string",
    bytes: request({
      request: { case: "responseHeaders", value: {} },
      attributes: {
        "envoy.filters.http.ext_proc": { "response.code_details": true },
      },
    }),
  },
  {
    name: "a phase twice, of which the generated codec makes one",
    bytes: new Uint8Array([
      ...request(COMMON[3]!.init),
      0x22,
      3,
      0x0a,
      1,
      0x7b,
    ]),
  },
  {
    name: "a field that is not known yet",
    // Field 99, a string.
    bytes: new Uint8Array([...request(COMMON[3]!.init), 0x9a, 6, 1, 0x61]),
  },
];

for (const { name, bytes } of RARE) {
  Deno.test(`readPhase() leaves ${name} to the generated codec`, () => {
    assertEquals(readCommonPhase(bytes), undefined);
    assertEquals(readPhase(bytes), readAnyPhase(bytes));
  });
}

for (
  const { name, bytes } of [
    { name: "end too early", bytes: [0x22, 5, 0x0a, 9, 0x7b] },
    {
      name: "have a length beyond 32 bits",
      bytes: [0x22, ...Array(9).fill(0xff), 1],
    },
    {
      name: "have a key that is not UTF-8",
      bytes: [0x12, 7, 0x0a, 5, 0x0a, 3, 0x0a, 1, 0xff],
    },
    { name: "have the field 0", bytes: [0x02, 0] },
    { name: "have an integer where a body stands", bytes: [0x20, 1] },
  ]
) {
  Deno.test(`readPhase() throws on bytes that ${name}`, () => {
    assertThrows(() => readPhase(new Uint8Array(bytes)), Error);
  });
}

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.constantFrom(":path", "x-request-id", "v".repeat(200)),
);
const headerMap = fc.record({
  headers: fc.array(
    fc.record({
      key: text,
      value: fc.oneof({ weight: 3, arbitrary: fc.constant("") }, text),
      rawValue: fc.uint8Array({ maxLength: 12 }),
    }, { requiredKeys: [] }),
    { maxLength: 4 },
  ),
});
const head = fc.record({
  headers: headerMap,
  endOfStream: fc.boolean(),
}, { requiredKeys: [] });
const body = fc.record({
  body: fc.uint8Array({ maxLength: 300 }),
  endOfStream: fc.boolean(),
  endOfStreamWithoutMessage: fc.boolean(),
}, { requiredKeys: [] });
const struct = fc.dictionary(
  fc.constantFrom("response.code_details", "sub", "other"),
  fc.oneof(text, fc.boolean(), fc.integer(), fc.constant({ sub: "ada" })),
  { maxKeys: 2, noNullPrototype: true },
);
const anyRequest = fc.record({
  request: fc.oneof(
    fc.record({ case: fc.constant("requestHeaders" as const), value: head }),
    fc.record({ case: fc.constant("responseHeaders" as const), value: head }),
    fc.record({ case: fc.constant("requestBody" as const), value: body }),
    fc.record({ case: fc.constant("responseBody" as const), value: body }),
    fc.record({
      case: fc.constant("requestTrailers" as const),
      value: fc.record({ trailers: headerMap }),
    }),
    fc.constant({ case: "responseTrailers" as const, value: {} }),
  ),
  metadataContext: fc.record({
    filterMetadata: fc.dictionary(
      fc.constantFrom("envoy.filters.http.jwt_authn", "other"),
      struct,
      { maxKeys: 2, noNullPrototype: true },
    ),
  }),
  attributes: fc.dictionary(
    fc.constantFrom("envoy.filters.http.ext_proc", "other"),
    struct,
    { maxKeys: 2, noNullPrototype: true },
  ),
  protocolConfig: fc.record({
    requestBodyMode: fc.constantFrom(0, 1, 2),
    sendBodyWithoutWaitingForHeaderResponse: fc.boolean(),
  }),
}, { requiredKeys: ["request"] });

/** A reading, or that there is none: the words of errors differ. */
function outcome(read: (bytes: Uint8Array) => unknown, bytes: Uint8Array) {
  try {
    return read(bytes);
  } catch {
    return "refused";
  }
}

Deno.test("readPhase() reads any message as the generated codec does", () => {
  fc.assert(
    fc.property(anyRequest, (init) => {
      const bytes = request(init as Init);
      assertEquals(readPhase(bytes), readAnyPhase(bytes));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("readPhase() reads any bytes as the generated codec does, or refuses them with it", () => {
  const damage = fc.array(
    fc.record({
      at: fc.nat(600),
      byte: fc.nat(255),
      how: fc.constantFrom("replace", "insert", "cut"),
    }),
    { minLength: 1, maxLength: 3 },
  );
  fc.assert(
    fc.property(anyRequest, damage, (init, damages) => {
      let bytes = [...request(init as Init)];
      for (const { at, byte, how } of damages) {
        const place = bytes.length === 0 ? 0 : at % bytes.length;
        if (how === "cut") bytes = bytes.slice(0, place);
        else bytes.splice(place, how === "insert" ? 0 : 1, byte);
      }
      const damaged = new Uint8Array(bytes);
      assertEquals(outcome(readPhase, damaged), outcome(readAnyPhase, damaged));
    }),
    { numRuns: 5_000 },
  );
});
