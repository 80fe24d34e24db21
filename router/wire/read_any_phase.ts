/**
 * Reads any message of Envoy's external processing protocol, by the generated
 * codec: the reference, and what is rare. Pure.
 *
 * @see https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/service/ext_proc/v3/external_processor.proto
 *
 * @module
 */

import { fromBinary } from "@bufbuild/protobuf";
import type { HeaderMap } from "../../proto/gen/envoy/config/core/v3/base_pb.ts";
import {
  type ProcessingRequest,
  ProcessingRequestSchema,
} from "../../proto/gen/envoy/service/ext_proc/v3/external_processor_pb.ts";
import type { HeaderEntry } from "../answer.ts";
import type { ResponseHead } from "../decide_response.ts";
import type { Phase } from "../phase.ts";
import type { RequestHead } from "../request_head.ts";
import { ATTRIBUTES_NAMESPACE, CODE_DETAILS } from "./read_common_phase.ts";

/** Where Envoy's jwt_authn filter leaves the claims it verified. */
const JWT_METADATA = "envoy.filters.http.jwt_authn";

const utf8 = new TextDecoder();

/**
 * Reads a ProcessingRequest.
 *
 * @throws {Error} If the bytes are no such message.
 */
export function readAnyPhase(bytes: Uint8Array): Phase {
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
  const details = message.attributes[ATTRIBUTES_NAMESPACE]?.[CODE_DETAILS];
  return typeof details === "string" ? { codeDetails: details } : {};
}
