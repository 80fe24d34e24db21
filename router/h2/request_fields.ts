/**
 * Checks the headers of a request as HTTP/2 wants them. Pure.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9113#section-8.2
 *
 * @module
 */

import type { HeaderField } from "./hpack.ts";

/** What a gRPC server needs to know of a request's headers. */
export interface RequestFields {
  /** Method of HTTP. */
  readonly method: string;
  /** Service and method of gRPC: `/service/Method`. */
  readonly path: string;
  /** Media type, or "". */
  readonly contentType: string;
  /** Bytes of data that were announced. */
  readonly contentLength?: number;
}

/** Headers about one connection, of which HTTP/2 has none. */
const CONNECTION_HEADERS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

const PSEUDO_HEADERS: ReadonlySet<string> = new Set([
  ":method",
  ":scheme",
  ":authority",
  ":path",
]);

/** Reads the headers that begin a request; undefined where they are malformed. */
export function readRequestFields(
  fields: readonly HeaderField[],
): RequestFields | undefined {
  const pseudo = new Map<string, string>();
  let contentType = "";
  let contentLength: number | undefined;
  let regular = false;
  for (const [name, value] of fields) {
    if (name.startsWith(":")) {
      if (regular || !PSEUDO_HEADERS.has(name) || pseudo.has(name)) {
        return undefined;
      }
      pseudo.set(name, value);
      continue;
    }
    regular = true;
    if (!isRegular(name, value)) return undefined;
    if (name === "content-type") contentType = value;
    if (name === "content-length") {
      if (!/^\d{1,15}$/.test(value)) return undefined;
      contentLength = Number(value);
    }
  }
  const method = pseudo.get(":method");
  const path = pseudo.get(":path");
  if (!method || !path || !pseudo.get(":scheme")) return undefined;
  return {
    method,
    path,
    contentType,
    ...(contentLength === undefined ? {} : { contentLength }),
  };
}

/** Whether fields can end a request: trailers have no pseudo-headers. */
export function areTrailers(fields: readonly HeaderField[]): boolean {
  return fields.every(([name, value]) => isRegular(name, value));
}

function isRegular(name: string, value: string): boolean {
  return isName(name) && isValue(value) && !CONNECTION_HEADERS.has(name) &&
    (name !== "te" || value === "trailers");
}

/** A token in lower case. */
function isName(name: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name);
}

/** No control that could end a line, no space around. */
function isValue(value: string): boolean {
  return !/[\0\r\n]|^[ \t]|[ \t]$/.test(value);
}
