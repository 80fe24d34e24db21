import { Buffer } from "node:buffer";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { HeaderValueOption_HeaderAppendAction } from "../../proto/gen/envoy/config/core/v3/base_pb.ts";
import {
  ProcessingMode_BodySendMode,
  ProcessingMode_HeaderSendMode,
} from "../../proto/gen/envoy/extensions/filters/http/ext_proc/v3/processing_mode_pb.ts";
import {
  type CommonResponseSchema,
  type HeaderMutationSchema,
  ProcessingResponseSchema,
} from "../../proto/gen/envoy/service/ext_proc/v3/external_processor_pb.ts";
import type { Answer, HeaderChanges } from "../answer.ts";
import type { PhaseKind } from "../phase.ts";
import { dropTrailers, writeAnswer } from "./write_answer.ts";

const utf8 = new TextEncoder();

/** What the generated codec writes: the reference. */
function writtenByGenerated(phase: PhaseKind, answer: Answer): Uint8Array {
  return toBinary(
    ProcessingResponseSchema,
    create(ProcessingResponseSchema, responseOf(phase, answer)),
  );
}

function responseOf(
  phase: PhaseKind,
  answer: Answer,
): MessageInitShape<typeof ProcessingResponseSchema> {
  if (answer.kind === "reply") {
    return {
      response: {
        case: "immediateResponse",
        value: {
          status: { code: answer.status },
          headers: mutation({ set: answer.headers, remove: [] }),
          body: typeof answer.body === "string"
            ? utf8.encode(answer.body)
            : answer.body,
          details: answer.details,
        },
      },
    };
  }
  const common: MessageInitShape<typeof CommonResponseSchema> = {
    clearRouteCache: answer.reroute ?? false,
    ...(answer.headers === undefined
      ? {}
      : { headerMutation: mutation(answer.headers) }),
    ...(answer.body === undefined ? {} : {
      bodyMutation: {
        mutation: answer.body.length === 0
          ? { case: "clearBody", value: true }
          : { case: "body", value: answer.body },
      },
    }),
  };
  return {
    response: { case: CASES[phase], value: { response: common } },
    ...(answer.metadata === undefined
      ? {}
      : { dynamicMetadata: { mcp: { ...answer.metadata } } }),
    ...(answer.phases === undefined ? {} : {
      modeOverride: {
        requestBodyMode: answer.phases.requestBody
          ? ProcessingMode_BodySendMode.BUFFERED
          : ProcessingMode_BodySendMode.NONE,
        responseHeaderMode: answer.phases.responseHeaders
          ? ProcessingMode_HeaderSendMode.SEND
          : ProcessingMode_HeaderSendMode.SKIP,
      },
    }),
    ...(answer.streamBody === true
      ? {
        modeOverride: {
          responseBodyMode: ProcessingMode_BodySendMode.STREAMED,
        },
      }
      : {}),
  };
}

/** Which answer belongs to a phase. */
const CASES = {
  "request headers": "requestHeaders",
  "request body": "requestBody",
  "response headers": "responseHeaders",
  "response body": "responseBody",
} as const satisfies Readonly<Record<PhaseKind, string>>;

function mutation(
  changes: HeaderChanges,
): MessageInitShape<typeof HeaderMutationSchema> {
  return {
    setHeaders: changes.set.map(([key, value]) => ({
      header: { key, rawValue: utf8.encode(value) },
      appendAction:
        HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    })),
    removeHeaders: [...changes.remove],
  };
}

Deno.test("writeAnswer() asks for a response's body chunk by chunk", () => {
  const { response, modeOverride } = fromBinary(
    ProcessingResponseSchema,
    writeAnswer("response headers", { kind: "continue", streamBody: true }),
  );
  assertEquals(response.case, "responseHeaders");
  // STREAMED 1; DEFAULT 0 leaves the header modes alone.
  assertEquals(
    [modeOverride?.responseBodyMode, modeOverride?.responseTrailerMode],
    [1, 0],
  );
});

for (
  const [body, want] of [
    [undefined, undefined],
    [utf8.encode("new"), "body"],
    [utf8.encode(""), "clearBody"],
  ] as const
) {
  Deno.test(`writeAnswer() answers a chunk with ${want ?? "the same"}`, () => {
    const { response } = fromBinary(
      ProcessingResponseSchema,
      writeAnswer("response body", {
        kind: "continue",
        ...(body === undefined ? {} : { body }),
      }),
    );
    assertEquals(response.case, "responseBody");
    const mutation = response.case === "responseBody"
      ? response.value.response?.bodyMutation?.mutation
      : undefined;
    assertEquals(mutation?.case, want);
  });
}

Deno.test("writeAnswer() writes header changes, body and metadata", () => {
  const bytes = writeAnswer("request body", {
    kind: "continue",
    headers: { set: [[":authority", "w.mcp.local"]], remove: ["x-mcp-tool"] },
    body: utf8.encode("{}"),
    reroute: true,
    metadata: { server: "w" },
  });
  const { response, dynamicMetadata, modeOverride } = fromBinary(
    ProcessingResponseSchema,
    new Uint8Array(bytes),
  );
  assertEquals(response.case, "requestBody");
  const common = response.case === "requestBody"
    ? response.value.response
    : undefined;
  assertEquals(common?.clearRouteCache, true);
  assertEquals(common?.headerMutation?.removeHeaders, ["x-mcp-tool"]);
  assertEquals(
    common?.headerMutation?.setHeaders.map((h) => [
      h.header?.key,
      new TextDecoder().decode(h.header?.rawValue),
      h.appendAction,
    ]),
    // 2 is OVERWRITE_IF_EXISTS_OR_ADD: 0, the default, would append.
    [[":authority", "w.mcp.local", 2]],
  );
  assertEquals(common?.bodyMutation?.mutation, {
    case: "body",
    value: utf8.encode("{}"),
  });
  assertEquals(dynamicMetadata, { mcp: { server: "w" } });
  assertEquals(modeOverride, undefined);
});

for (
  const [phases, body, headers] of [
    [{ requestBody: true, responseHeaders: true }, 2, 1],
    [{ requestBody: true, responseHeaders: false }, 2, 2],
    [{ requestBody: false, responseHeaders: false }, 0, 2],
  ] as const
) {
  Deno.test(`writeAnswer() asks for ${JSON.stringify(phases)}`, () => {
    const { modeOverride } = fromBinary(
      ProcessingResponseSchema,
      writeAnswer("request headers", { kind: "continue", phases }),
    );
    // BodySendMode: NONE 0, BUFFERED 2. HeaderSendMode: SEND 1, SKIP 2.
    assertEquals(
      [modeOverride?.requestBodyMode, modeOverride?.responseHeaderMode],
      [body, headers],
    );
  });
}

Deno.test("writeAnswer() ends the exchange with a reply", () => {
  const { response } = fromBinary(
    ProcessingResponseSchema,
    writeAnswer("request headers", {
      kind: "reply",
      status: 404,
      headers: [["content-type", "application/json"]],
      body: "{}",
      details: "mcp_session_unknown",
    }),
  );
  const reply = response.case === "immediateResponse"
    ? response.value
    : undefined;
  assertEquals(reply?.status?.code, 404);
  assertEquals(reply?.details, "mcp_session_unknown");
  assertEquals(new TextDecoder().decode(reply?.body), "{}");
});

Deno.test("writeAnswer() replies with a body that is not short", () => {
  const bytes = writeAnswer("request body", {
    kind: "reply",
    status: 200,
    headers: [],
    body: "ž".repeat(50_000),
    details: "",
  });
  const { response } = fromBinary(ProcessingResponseSchema, bytes);
  const reply = response.case === "immediateResponse" && response.value;
  assertEquals(reply && new TextDecoder().decode(reply.body).length, 50_000);
});

Deno.test("writeAnswer() writes small answers behind large ones", () => {
  const reply = (body: string): Answer => ({
    kind: "reply",
    status: 200,
    headers: [],
    body,
    details: "",
  });
  for (const size of [10, 3_000, 5_000, 10, 1_000_000, 10, 100_000, 10]) {
    const answer = reply("a".repeat(size));
    assertEquals(
      Buffer.compare(
        writeAnswer("request body", answer),
        writtenByGenerated("request body", answer),
      ),
      0,
    );
  }
});

Deno.test("dropTrailers() writes what the generated codec writes", () => {
  for (const names of [[], ["x"], ["x-mcp-tool", "ž".repeat(200)]]) {
    assertEquals(
      new Uint8Array(dropTrailers(names)),
      toBinary(
        ProcessingResponseSchema,
        create(ProcessingResponseSchema, {
          response: {
            case: "requestTrailers",
            value: { headerMutation: mutation({ set: [], remove: names }) },
          },
        }),
      ),
    );
  }
});

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.constantFrom(
    ":authority",
    "x".repeat(64),
    "x".repeat(65),
    "x".repeat(200),
  ),
);
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.nat(20_000).map((length) => new Uint8Array(length).fill(7)),
);
const entries = fc.array(fc.tuple(text, text), { maxLength: 4 });
const anyAnswer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({
    kind: fc.constant("continue" as const),
    headers: fc.record({
      set: entries,
      remove: fc.array(text, { maxLength: 3 }),
    }),
    body: bytes,
    reroute: fc.boolean(),
    phases: fc.record({
      requestBody: fc.boolean(),
      responseHeaders: fc.boolean(),
    }),
    // Names of fields, of which the router has no others.
    metadata: fc.dictionary(
      fc.constantFrom("server", "method", "tool"),
      text,
      { noNullPrototype: true },
    ),
    streamBody: fc.boolean(),
  }, { requiredKeys: ["kind"] }),
  fc.record({
    kind: fc.constant("reply" as const),
    status: fc.nat(599),
    headers: entries,
    body: fc.oneof(text, bytes),
    details: text,
  }),
);

Deno.test("writeAnswer() writes any answer as the generated codec does, byte for byte", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(CASES) as PhaseKind[]),
      anyAnswer,
      (phase, answer) => {
        assertEquals(
          new Uint8Array(writeAnswer(phase, answer)),
          writtenByGenerated(phase, answer),
        );
      },
    ),
    { numRuns: 2_000 },
  );
});
