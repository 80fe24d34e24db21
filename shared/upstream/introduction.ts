/**
 * How a server introduces itself, in either era, and the minimum that it must
 * meet to be of use. Pure.
 *
 * @module
 */

import { isObject, member } from "../jsonrpc/parsed.ts";
import type { Era, StatelessRevision, UpstreamRevision } from "../mcp.ts";
import { UpstreamError } from "./upstream_error.ts";

/** What eras a server was found to speak. */
export interface SpokenEras {
  /** The era it speaks with us. */
  readonly era: Era;
  /** Whether it keeps sessions too, where that is the stateless one. */
  readonly sessions?: boolean;
}

/** A server as it introduced itself. */
export interface Introduction extends SpokenEras {
  /** The revision it speaks with us. */
  readonly revision: UpstreamRevision | StatelessRevision;
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
 * Reads what both eras have in common: the members of an InitializeResult, or
 * of a DiscoverResult.
 *
 * @param result The result.
 * @param info Where it says its name and version.
 * @throws {UpstreamError} `below minimum` where it has no useful capability.
 */
export function readSelf(
  result: Readonly<Record<string, unknown>>,
  info: unknown,
): Omit<Introduction, keyof SpokenEras | "revision"> {
  const capabilities = member(result, "capabilities");
  if (
    !isObject(capabilities) ||
    !USEFUL_CAPABILITIES.some((name) => isObject(member(capabilities, name)))
  ) {
    throw below(`it declares none of ${USEFUL_CAPABILITIES.join(", ")}`);
  }
  const text = (key: string) => {
    const value = isObject(info) ? member(info, key) : undefined;
    return typeof value === "string" ? value.slice(0, 200) : "";
  };
  const instructions = readInstructions(member(result, "instructions"));
  return {
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

/** The failure of a server that can be reached and will not do. */
export function below(why: string): UpstreamError {
  return new UpstreamError("below minimum", {
    message: `the server cannot be used: ${why}`,
  });
}

/** A revision as a server wrote it, for people. */
export function shownRevision(revision: unknown): string {
  return String(JSON.stringify(revision)?.slice(0, 40));
}
