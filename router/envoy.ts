/**
 * Converts between Envoy's external processing protocol and the router's own
 * words, on arrival and on departure, so that nothing of protobuf gets further
 * in. Pure.
 *
 * @see https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/service/ext_proc/v3/external_processor.proto
 *
 * @module
 */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { HeaderMap } from "../proto/gen/envoy/config/core/v3/base_pb.ts";
import { HeaderValueOption_HeaderAppendAction } from "../proto/gen/envoy/config/core/v3/base_pb.ts";
import {
  ProcessingMode_BodySendMode,
  ProcessingMode_HeaderSendMode,
} from "../proto/gen/envoy/extensions/filters/http/ext_proc/v3/processing_mode_pb.ts";
import {
  type CommonResponseSchema,
  type HeaderMutationSchema,
  type ProcessingRequest,
  ProcessingRequestSchema,
  ProcessingResponseSchema,
} from "../proto/gen/envoy/service/ext_proc/v3/external_processor_pb.ts";
import type { Answer, HeaderChanges, HeaderEntry } from "./answer.ts";
import type { ResponseHead } from "./decide_response.ts";
import type { RequestHead } from "./request_head.ts";

/** One phase of an exchange, as Envoy announces it. */
export type Phase =
  | { readonly kind: "request headers"; readonly head: RequestHead }
  | { readonly kind: "request body"; readonly bytes: Uint8Array }
  | { readonly kind: "response headers"; readonly head: ResponseHead }
  /** A chunk of a response's body; `end` is said of the last, maybe empty one. */
  | {
    readonly kind: "response body";
    readonly bytes: Uint8Array;
    readonly end: boolean;
  }
  /** Trailers behind a request's body; none are ever wanted. */
  | { readonly kind: "request trailers"; readonly names: readonly string[] }
  /** A phase that the router never asks for. */
  | { readonly kind: "unexpected"; readonly name: string };

/** Phases that are answered. */
export type PhaseKind = Exclude<
  Phase["kind"],
  "unexpected" | "request trailers"
>;

/** Where Envoy's jwt_authn filter leaves the claims it verified. */
const JWT_METADATA = "envoy.filters.http.jwt_authn";
/** Namespace of the attributes that the filter was configured to send. */
const ATTRIBUTES = "envoy.filters.http.ext_proc";
/** Namespace of the dynamic metadata the router sets. */
const METADATA_NAMESPACE = "mcp";

const utf8 = new TextDecoder();
const utf8Encoder = new TextEncoder();

/**
 * Reads a ProcessingRequest.
 *
 * @throws {Error} If the bytes are no such message.
 */
export function readPhase(bytes: Uint8Array): Phase {
  const message = fromBinary(ProcessingRequestSchema, bytes);
  const { request } = message;
  switch (request.case) {
    case "requestHeaders":
      return {
        kind: "request headers",
        head: {
          headers: readHeaders(request.value.headers),
          endOfStream: request.value.endOfStream,
          ...verifiedClaims(message),
        },
      };
    case "requestBody":
      return { kind: "request body", bytes: request.value.body };
    case "responseHeaders":
      return {
        kind: "response headers",
        head: {
          headers: readHeaders(request.value.headers),
          ...codeDetails(message),
        },
      };
    case "responseBody":
      return {
        kind: "response body",
        bytes: request.value.body,
        end: request.value.endOfStream,
      };
    case "requestTrailers":
      return {
        kind: "request trailers",
        names: readHeaders(request.value.trailers).map(([name]) => name),
      };
    default:
      return { kind: "unexpected", name: request.case ?? "none" };
  }
}

function readHeaders(map: HeaderMap | undefined): HeaderEntry[] {
  // Envoy fills one of the two, `raw_value` by default.
  return (map?.headers ?? []).map(({ key, value, rawValue }) => [
    key,
    rawValue.length > 0 ? utf8.decode(rawValue) : value,
  ]);
}

/**
 * jwt_authn stores the payload under a key of the operator's choice
 * (`payload_in_metadata`); the one that has a subject is taken.
 */
function verifiedClaims(
  message: ProcessingRequest,
): Pick<RequestHead, "verifiedClaims"> {
  const byKey = message.metadataContext?.filterMetadata[JWT_METADATA];
  for (const payload of Object.values(byKey ?? {})) {
    if (
      typeof payload === "object" && payload !== null &&
      !Array.isArray(payload) && typeof payload["sub"] === "string"
    ) {
      return { verifiedClaims: payload };
    }
  }
  return {};
}

function codeDetails(
  message: ProcessingRequest,
): Pick<ResponseHead, "codeDetails"> {
  const details = message.attributes[ATTRIBUTES]?.["response.code_details"];
  return typeof details === "string" ? { codeDetails: details } : {};
}

/**
 * Writes the answer to a phase as a ProcessingResponse.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { writeAnswer } from "./envoy.ts";
 *
 * // response_headers (field 2) with an empty CommonResponse in it
 * assertEquals(
 *   writeAnswer("response headers", { kind: "continue" }),
 *   new Uint8Array([0x12, 0x02, 0x0a, 0x00]),
 * );
 * ```
 */
export function writeAnswer(phase: PhaseKind, answer: Answer): Uint8Array {
  return toBinary(
    ProcessingResponseSchema,
    create(ProcessingResponseSchema, responseOf(phase, answer)),
  );
}

/**
 * Writes the answer to request trailers: all of them go. A trailer would reach
 * a server past everything that was checked and removed in the headers.
 */
export function dropTrailers(names: readonly string[]): Uint8Array {
  return toBinary(
    ProcessingResponseSchema,
    create(ProcessingResponseSchema, {
      response: {
        case: "requestTrailers",
        value: { headerMutation: mutation({ set: [], remove: names }) },
      },
    }),
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
            ? utf8Encoder.encode(answer.body)
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
      : { dynamicMetadata: { [METADATA_NAMESPACE]: { ...answer.metadata } } }),
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
      header: { key, rawValue: utf8Encoder.encode(value) },
      appendAction:
        HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    })),
    removeHeaders: [...changes.remove],
  };
}
