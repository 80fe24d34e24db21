import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { assertEquals, assertThrows } from "@std/assert";
import {
  ProcessingRequestSchema,
  ProcessingResponseSchema,
} from "../proto/gen/envoy/service/ext_proc/v3/external_processor_pb.ts";
import { readPhase, writeAnswer } from "./envoy.ts";

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

Deno.test("readPhase() names phases that the router never asks for", () => {
  assertEquals(
    readPhase(request({ request: { case: "responseTrailers", value: {} } })),
    { kind: "unexpected", name: "responseTrailers" },
  );
});

Deno.test("readPhase() throws on bytes that are no message", () => {
  assertThrows(() => readPhase(new Uint8Array([0xff])), Error);
});

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
    bytes,
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
