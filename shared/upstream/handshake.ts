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
import type { ServerExchange } from "./server_exchange.ts";
import { UpstreamError } from "./upstream_error.ts";

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

/** A server as it introduced itself. */
export interface ServerIntroduction {
  /** The negotiated revision. */
  readonly revision: UpstreamRevision;
  /** What it declared. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** Name and version. */
  readonly serverInfo: { readonly name: string; readonly version: string };
  /** What it says of its use; cut where it is very long. */
  readonly instructions?: string;
}

/** Units of instructions that are kept of one server. */
const MAX_INSTRUCTIONS = 4096;

/** Capabilities of which a server needs at least one to be of use. */
const USEFUL_CAPABILITIES = ["tools", "prompts", "resources"] as const;

/**
 * Codes by which a server of the stateless era says no to `initialize`:
 * method not found, unsupported revision (2026-07-28, versioning).
 */
const STATELESS_ERA_CODES: readonly number[] = [-32601, -32022];

/**
 * Sends `initialize` and `notifications/initialized`. Afterwards the exchange
 * names the session and the negotiated revision in each request.
 *
 * @throws {UpstreamError} `below minimum` where the server can be reached and
 * will not do; other kinds where it cannot be told.
 */
export async function handshake(
  exchange: ServerExchange,
  options: HandshakeOptions,
  signal: AbortSignal,
): Promise<ServerIntroduction> {
  const { timeoutMs, now } = options;
  const started = now();
  const introduction = await introduce(exchange, options, signal);
  exchange.revision = introduction.revision;
  await exchange.notify("notifications/initialized", {
    signal,
    timeoutMs: Math.max(1, timeoutMs - (now() - started)),
  });
  return introduction;
}

async function introduce(
  exchange: ServerExchange,
  options: HandshakeOptions,
  signal: AbortSignal,
): Promise<ServerIntroduction> {
  const { revision, capabilities, clientInfo, timeoutMs } = options;
  const params = { protocolVersion: revision, capabilities, clientInfo };
  try {
    const { bytes, result } = await exchange.request(
      "initialize",
      JSON.stringify(params),
      { signal, timeoutMs },
    );
    return readIntroduction(parseValue(bytes, result));
  } catch (error) {
    if (
      error instanceof UpstreamError && error.code !== undefined &&
      STATELESS_ERA_CODES.includes(error.code)
    ) {
      throw new UpstreamError("below minimum", {
        message:
          `the server refuses initialize (${error.code}): it seems to speak only the stateless era (2026-07-28), which the gateway does not speak to servers yet`,
        code: error.code,
        cause: error,
      });
    }
    throw error;
  }
}

/** Reads an InitializeResult and holds it against the minimum. */
export function readIntroduction(result: unknown): ServerIntroduction {
  if (!isObject(result)) throw below("its InitializeResult is not an object");
  const revision = member(result, "protocolVersion");
  if (!isUpstreamRevision(revision)) {
    throw below(
      `it speaks revision ${
        JSON.stringify(revision)?.slice(0, 40)
      }, which the gateway does not`,
    );
  }
  const capabilities = member(result, "capabilities");
  if (
    !isObject(capabilities) ||
    !USEFUL_CAPABILITIES.some((name) => isObject(member(capabilities, name)))
  ) {
    throw below(`it declares none of ${USEFUL_CAPABILITIES.join(", ")}`);
  }
  const info = member(result, "serverInfo");
  const text = (key: string) => {
    const value = isObject(info) ? member(info, key) : undefined;
    return typeof value === "string" ? value.slice(0, 200) : "";
  };
  const instructions = readInstructions(member(result, "instructions"));
  return {
    revision,
    capabilities,
    serverInfo: { name: text("name"), version: text("version") },
    ...(instructions === undefined ? {} : { instructions }),
  };
}

function readInstructions(value: unknown): string | undefined {
  if (typeof value !== "string" || value.trim() === "") return undefined;
  // A character cut in half would not be UTF-8.
  return value.length <= MAX_INSTRUCTIONS
    ? value
    : `${value.slice(0, MAX_INSTRUCTIONS - 1).toWellFormed()}…`;
}

function below(why: string): UpstreamError {
  return new UpstreamError("below minimum", {
    message: `the server cannot be used: ${why}`,
  });
}
