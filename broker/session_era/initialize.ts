/**
 * The handshake with a client: reads its InitializeRequest, writes our
 * InitializeResult. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization
 * @module
 */

import type { Refusal } from "../../shared/errors.ts";
import type { RequestMessage } from "../../shared/jsonrpc/message.ts";
import { parseExactly } from "../../shared/jsonrpc/parse_exactly.ts";
import { isObject } from "../../shared/jsonrpc/parsed.ts";
import { text } from "../../shared/jsonrpc/values.ts";
import {
  type ClientCapabilities,
  type Implementation,
  negotiateRevision,
  type SessionRevision,
} from "../../shared/mcp.ts";

/** What a client said at `initialize`, and the revision that follows. */
export interface Handshake {
  /** The revision that both will speak. */
  readonly revision: SessionRevision;
  /** What the client declared. */
  readonly capabilities: ClientCapabilities;
  /** What the client calls itself. */
  readonly clientInfo?: Implementation;
}

/** Outcome of reading an InitializeRequest. */
export type HandshakeOutcome =
  | { readonly kind: "handshake"; readonly handshake: Handshake }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** Reads an InitializeRequest out of the body it came in. */
export function readInitialize(
  body: Uint8Array,
  message: RequestMessage,
): HandshakeOutcome {
  const { params } = message;
  if (params?.protocolVersion === undefined) {
    return refused("params.protocolVersion is not a string");
  }
  // Capabilities are passed on to servers.
  const parsed = parseExactly(text(body, params));
  if (!isObject(parsed)) return refused("params is not an object");
  const capabilities = parsed["capabilities"] ?? {};
  if (!isObject(capabilities)) {
    return refused("params.capabilities is not an object");
  }
  const info = parsed["clientInfo"];
  if (info !== undefined && !isImplementation(info)) {
    return refused("params.clientInfo has no name and version");
  }
  return {
    kind: "handshake",
    handshake: {
      revision: negotiateRevision(params.protocolVersion.value),
      capabilities,
      ...(info === undefined ? {} : { clientInfo: info }),
    },
  };
}

/**
 * Writes an InitializeResult: JSON text.
 *
 * @param version The gateway's version.
 * @param instructions What the servers that the client sees say of their use.
 */
export function writeInitializeResult(
  revision: SessionRevision,
  version: string,
  instructions?: string,
): string {
  return JSON.stringify({
    protocolVersion: revision,
    // Only what is served.
    capabilities: {
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      completions: {},
      logging: {},
    },
    serverInfo: { name: "mcp-gateway", version },
    ...(instructions === undefined ? {} : { instructions }),
  });
}

function refused(detail: string): HandshakeOutcome {
  return { kind: "refused", refusal: { kind: "invalid params", detail } };
}

function isImplementation(value: unknown): value is Implementation {
  return isObject(value) && typeof value["name"] === "string" &&
    typeof value["version"] === "string";
}
