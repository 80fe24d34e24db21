/**
 * Reads the head of a request: what of it concerns the gateway, which headers
 * must go, and whether it may go on to its body. Pure.
 *
 * @module
 */

import { acceptsGet, acceptsPost } from "../shared/accept.ts";
import type { Refusal } from "../shared/errors.ts";
import {
  isInternalHeader,
  LAST_EVENT_HEADER,
  SESSION_HEADER,
  SINGLE_VALUE_HEADERS,
  VERSION_HEADER,
  VIRTUAL_SERVER_HEADER,
} from "../shared/headers.ts";
import { isJsonBody } from "../shared/media_type.ts";
import {
  type Era,
  isSessionRevision,
  isStatelessRevision,
} from "../shared/mcp.ts";
import { checkOrigin, type OriginSettings } from "../shared/origin.ts";
import { readRoutedEventId, type RoutedId } from "../shared/relay/routed_id.ts";
import type { HeaderEntry } from "./answer.ts";

/** The head of a request, as Envoy shows it to its external processor. */
export interface RequestHead {
  /** Headers in order, names lower case, pseudo-headers included. */
  readonly headers: readonly HeaderEntry[];
  /** No body follows. */
  readonly endOfStream: boolean;
  /** Claims that Envoy's jwt_authn filter verified, where it ran before us. */
  readonly verifiedClaims?: Readonly<Record<string, unknown>>;
}

/** A request's head, read. */
export interface ReadHead {
  /** HTTP method. */
  readonly method: string;
  /** Path without query. */
  readonly path: string;
  /** Host without port, lower case. */
  readonly host: string;
  /** Every header by name; the first value where there are several. */
  readonly values: ReadonlyMap<string, string>;
  /** Internal headers that the client sent, all to be removed. */
  readonly internal: readonly string[];
  /** Headers that came more than once. */
  readonly repeated: readonly string[];
  /** What the client takes for an answer, where it says so. */
  readonly accept?: string;
  /** The virtual server asked for by header. */
  readonly virtualServerHeader?: string;
}

/** Reads the headers of a request in one pass. */
export function readHead(head: RequestHead): ReadHead {
  const values = new Map<string, string>();
  const internal: string[] = [];
  const repeated: string[] = [];
  const accept: string[] = [];
  for (const [name, value] of head.headers) {
    if (isInternalHeader(name) && !internal.includes(name)) internal.push(name);
    if (name === "accept") accept.push(value);
    if (!values.has(name)) values.set(name, value);
    else if (!repeated.includes(name)) repeated.push(name);
  }
  const virtualServerHeader = values.get(VIRTUAL_SERVER_HEADER);
  return {
    method: values.get(":method") ?? "",
    path: pathOf(values.get(":path") ?? ""),
    host: hostOf(values.get(":authority") ?? values.get("host") ?? ""),
    values,
    internal,
    repeated,
    ...(accept.length === 0 ? {} : { accept: accept.join() }),
    ...(virtualServerHeader === undefined ? {} : { virtualServerHeader }),
  };
}

/** One slash at the end makes no other path, hence no other session. */
function pathOf(target: string): string {
  const query = target.search(/[?#]/);
  const path = query === -1 ? target : target.slice(0, query);
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

function hostOf(authority: string): string {
  // The port of an IPv6 literal stands behind its bracket.
  return authority.toLowerCase().replace(/:\d*$/, "").replace(/\.$/, "");
}

/** Settings that decide about heads. */
export interface HeadSettings extends OriginSettings {
  /** Where the gateway serves MCP, e.g. `/mcp`. */
  readonly path: string;
  /** Largest accepted body, bytes. */
  readonly maxBodyBytes: number;
  /** Header that names the caller, lower case, where one is configured. */
  readonly identityHeader: string | undefined;
}

/** What becomes of a request after its head. */
export type HeadDecision =
  /** Not MCP traffic: it passes, without our internal headers. */
  | { readonly kind: "pass" }
  /** Refused as it is, in words of the era that its header names. */
  | { readonly kind: "refuse"; readonly refusal: Refusal; readonly era: Era }
  /** The broker answers it; there is no body to read. */
  | { readonly kind: "broker"; readonly virtualServer?: string }
  /** A server's stream is taken up again, after the event of this id. */
  | {
    readonly kind: "resume";
    readonly virtualServer?: string;
    readonly after: RoutedId;
  }
  /** The body decides. */
  | {
    readonly kind: "read body";
    readonly virtualServer?: string;
    /** The message may go straight to a server, whose answer concerns us. */
    readonly watchResponse: boolean;
  };

/**
 * Decides about a request by its head alone.
 *
 * | request | decision |
 * |---|---|
 * | to a host that is a server's own | refuse: clients never name servers by host |
 * | outside the gateway's path | pass |
 * | from a page or to a host that is not allowed | refuse |
 * | GET or DELETE of the stateless era, or of none that is known | refuse |
 * | GET after a server's event | resume |
 * | other GET, DELETE | broker |
 * | POST of JSON | read body |
 * | POST of anything else, too large, ambiguous | refuse |
 * | POST, or GET after a server's event, that does not take what may come | refuse |
 * | other methods | refuse |
 */
export function decideHead(
  head: ReadHead,
  endOfStream: boolean,
  settings: HeadSettings,
  isServerHost: (host: string) => boolean,
): HeadDecision {
  const revision = head.values.get(VERSION_HEADER);
  const era = isStatelessRevision(revision) ? "stateless" : "session";
  const refuse = (refusal: Refusal): HeadDecision => ({
    kind: "refuse",
    refusal,
    era,
  });
  if (isServerHost(head.host)) {
    return refuse({ kind: "misdirected request" });
  }
  const below = pathBelow(head.path, settings.path);
  if (below === undefined) return { kind: "pass" };
  const selected = below === "" ? head.virtualServerHeader : below;
  const virtualServer = selected === undefined
    ? {}
    : { virtualServer: selected };

  const repeated = head.repeated.find((name) =>
    SINGLE_VALUE_HEADERS.includes(name) || name === settings.identityHeader
  );
  if (repeated !== undefined) {
    return refuse({
      kind: "invalid request",
      detail: `header ${repeated} stands more than once`,
    });
  }
  const forbidden = checkOrigin(
    { host: head.host, origin: head.values.get("origin") },
    settings,
  );
  if (forbidden !== undefined) return refuse(forbidden);
  if (head.method !== "POST") {
    // 2026-07-28, transports, earlier revisions: 405, whatever else it says.
    if (era === "stateless") return refuse({ kind: "method not allowed" });
    // A POST tells more of itself: it is refused with its id.
    if (revision !== undefined && !isSessionRevision(revision)) {
      return refuse({ kind: "unsupported revision" });
    }
  }
  switch (head.method) {
    case "GET": {
      const last = head.values.get(LAST_EVENT_HEADER);
      const after = last === undefined ? undefined : readRoutedEventId(last);
      if (after === undefined) return { kind: "broker", ...virtualServer };
      if (!acceptsGet(head.accept)) return refuse({ kind: "not acceptable" });
      return endOfStream
        ? { kind: "resume", ...virtualServer, after }
        : refuse({ kind: "invalid request", detail: "a GET has no body" });
    }
    case "DELETE":
      return { kind: "broker", ...virtualServer };
    case "POST":
      break;
    default:
      return refuse({ kind: "method not allowed" });
  }
  const refusal = refusedBody(head, settings.maxBodyBytes);
  if (refusal !== undefined) return refuse(refusal);
  if (endOfStream) {
    return refuse({ kind: "parse error", detail: "the body is empty" });
  }
  return {
    kind: "read body",
    ...virtualServer,
    // Without either it can only be `initialize`, which the broker answers.
    watchResponse: era === "stateless" || head.values.has(SESSION_HEADER),
  };
}

/** "" for the path itself, `a/b` for what stands below it, else undefined. */
function pathBelow(path: string, base: string): string | undefined {
  if (path === base) return "";
  return path.startsWith(`${base}/`) ? path.slice(base.length + 1) : undefined;
}

function refusedBody(head: ReadHead, maxBytes: number): Refusal | undefined {
  const type = head.values.get("content-type");
  const encoding = head.values.get("content-encoding");
  if (type === undefined || !isJsonBody(type)) {
    return { kind: "unsupported media type" };
  }
  if (encoding !== undefined && encoding.toLowerCase() !== "identity") {
    return {
      kind: "unsupported media type",
      detail: "Content-Encoding is not supported",
    };
  }
  if (!acceptsPost(head.accept)) return { kind: "not acceptable" };
  const length = Number(head.values.get("content-length") ?? 0);
  if (length > maxBytes) return tooLarge(maxBytes);
  return undefined;
}

/** The refusal of a body above the limit. */
export function tooLarge(maxBytes: number): Refusal {
  return { kind: "body too large", detail: `at most ${maxBytes} bytes` };
}
