/**
 * The handshake that opens a session with an MCP server of the session era,
 * and the minimum that a server must meet to be of use.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle
 * @module
 */

import {
  type ClientCapabilities,
  type Implementation,
  isUpstreamRevision,
  type SessionRevision,
  type UpstreamRevision,
} from "../mcp.ts";
import { isObject, member } from "../jsonrpc/parsed.ts";
import { parseValue } from "../jsonrpc/values.ts";
import {
  below,
  type Introduction,
  readSelf,
  shownRevision,
} from "./introduction.ts";
import type { ServerExchange } from "./server_exchange.ts";

/** What a client says of itself, and how long the server may take. */
export interface HandshakeOptions {
  /** The revision offered. */
  readonly revision: SessionRevision;
  /** What the client can be asked for. */
  readonly capabilities: ClientCapabilities;
  /** Name and version of the client. */
  readonly clientInfo: Implementation;
  /** Milliseconds for the whole handshake. */
  readonly timeoutMs: number;
  /** Milliseconds since some point; for measuring. */
  readonly now: () => number;
}

/** A server as it introduced itself at `initialize`. */
export interface ServerIntroduction extends Introduction {
  /** It has sessions. */
  readonly era: "session";
  /** The negotiated revision. */
  readonly revision: UpstreamRevision;
}

/**
 * Sends `initialize` and `notifications/initialized`. Afterwards the exchange
 * names the session and the negotiated revision in each request.
 *
 * @throws {UpstreamError} `below minimum` where the server can be reached and
 * will not do; other kinds where it cannot be told, or refuses: it may be of
 * the other era.
 */
export async function handshake(
  exchange: ServerExchange,
  options: HandshakeOptions,
  signal: AbortSignal,
): Promise<ServerIntroduction> {
  const { revision, capabilities, clientInfo, timeoutMs, now } = options;
  const started = now();
  const params = { protocolVersion: revision, capabilities, clientInfo };
  const { bytes, result } = await exchange.request(
    "initialize",
    JSON.stringify(params),
    { signal, timeoutMs },
  );
  const introduction = readIntroduction(parseValue(bytes, result));
  exchange.revision = introduction.revision;
  await exchange.notify("notifications/initialized", {
    signal,
    timeoutMs: Math.max(1, timeoutMs - (now() - started)),
  });
  return introduction;
}

/** Reads an InitializeResult and holds it against the minimum. */
export function readIntroduction(result: unknown): ServerIntroduction {
  if (!isObject(result)) throw below("its InitializeResult is not an object");
  const revision = member(result, "protocolVersion");
  if (!isUpstreamRevision(revision)) {
    throw below(
      `it speaks revision ${
        shownRevision(revision)
      }, which the gateway does not`,
    );
  }
  const self = readSelf(result, member(result, "serverInfo"));
  return { era: "session", revision, ...self };
}
