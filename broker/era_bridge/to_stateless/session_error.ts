/**
 * Makes the error of a server of the stateless era one that a client in a
 * session knows. Pure.
 *
 * | error | becomes |
 * |---|---|
 * | −32602 to `resources/read` with `data.uri`: no such resource | −32002 |
 * | −32020, the headers are not the body's | a reason to look at the tool again |
 * | −32022, the revision is not spoken there | a reason to ask which era it speaks |
 * | −32021, a capability is missing | a plain refusal |
 * | another one | itself |
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic#error-codes
 * @module
 */

import type { Refusal } from "../../../shared/errors.ts";
import { applyEdits, editMembers } from "../../../shared/jsonrpc/edit.ts";
import { SERVER_JSON } from "../../../shared/jsonrpc/json_limits.ts";
import {
  asString,
  kindOf,
  members,
  parseValue,
} from "../../../shared/jsonrpc/values.ts";
import { isObject } from "../../../shared/jsonrpc/parsed.ts";
import type { ErrorAnswer } from "./read_answer.ts";

/** What becomes of an error. */
export type SessionError =
  | {
    readonly kind: "error";
    /** The error, raw JSON of an object. */
    readonly error: Uint8Array<ArrayBuffer>;
  }
  | { readonly kind: "header mismatch" }
  | { readonly kind: "unsupported revision" }
  | { readonly kind: "refused"; readonly refusal: Refusal };

const INVALID_PARAMS = -32602;
const RESOURCE_NOT_FOUND = "-32002";
const HEADER_MISMATCH = -32020;
const CAPABILITY_MISSING = -32021;
const UNSUPPORTED_REVISION = -32022;

/** Decides what becomes of an error. */
export function sessionError(
  { bytes, error, code }: ErrorAnswer,
  method: string,
): SessionError {
  const found = members(bytes, error, SERVER_JSON);
  const data = found.get("data");
  switch (code) {
    case HEADER_MISMATCH:
      return { kind: "header mismatch" };
    case UNSUPPORTED_REVISION:
      return { kind: "unsupported revision" };
    case CAPABILITY_MISSING: {
      const missing = missingIn(data && parseValue(bytes, data));
      const refusal: Refusal = {
        kind: "capability missing",
        ...(missing === undefined ? {} : { detail: missing }),
      };
      return { kind: "refused", refusal };
    }
  }
  const isMissing = code === INVALID_PARAMS && method === "resources/read" &&
    data !== undefined && kindOf(bytes, data) === "object" &&
    asString(bytes, members(bytes, data, SERVER_JSON).get("uri")) !== undefined;
  const changes = isMissing
    ? new Map([["code", RESOURCE_NOT_FOUND]])
    : new Map<string, string>();
  const edits = editMembers(bytes, error, changes, SERVER_JSON);
  return { kind: "error", error: applyEdits(bytes, edits, error) };
}

/** Names of the capabilities that a server wants. */
function missingIn(data: unknown): string | undefined {
  const required = isObject(data) ? data["requiredCapabilities"] : undefined;
  return isObject(required) ? Object.keys(required).join(", ") : undefined;
}
