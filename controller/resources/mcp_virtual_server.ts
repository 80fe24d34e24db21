/**
 * MCPVirtualServer: a named selection of tools and prompts. Pure.
 *
 * @module
 */

import { type Condition, readStatus } from "./condition.ts";
import type { Fields } from "./fields.ts";
import type { Finding } from "./finding.ts";
import type { Meta } from "./meta.ts";

/** An MCPVirtualServer. */
export interface McpVirtualServer {
  /** Tells the kinds of resources apart. */
  readonly kind: "MCPVirtualServer";
  /** Its metadata. */
  readonly meta: Meta;
  /** What the selection is for. */
  readonly description: string;
  /** Names of its tools as clients see them, each once. */
  readonly tools: readonly string[];
  /** Names of its prompts, likewise; absent where the key is left out: every one. */
  readonly prompts?: readonly string[];
  /** What its status says now. */
  readonly status: unknown;
  /** Conditions of its status. */
  readonly conditions: readonly Condition[];
  /** What cannot be used. */
  readonly findings: readonly Finding[];
}

/** Reads an MCPVirtualServer. */
export function readVirtualServer(
  object: Fields,
  meta: Meta,
  findings: Finding[],
): McpVirtualServer {
  const spec = object.child("spec");
  const prompts = spec?.value("prompts") === undefined
    ? undefined
    : spec.texts("prompts");
  const known = {
    kind: "MCPVirtualServer",
    meta,
    description: spec?.text("description") ?? "",
    tools: [...new Set(spec?.texts("tools") ?? [])],
    ...(prompts === undefined ? {} : { prompts: [...new Set(prompts)] }),
    findings: [...findings],
  } as const;
  return { ...known, ...readStatus(object) };
}
