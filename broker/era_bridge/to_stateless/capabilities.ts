/**
 * What a server of the stateless era is told that it can ask a client of a
 * session. Pure.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/schema#clientcapabilities
 * @module
 */

import { isObject } from "../../../shared/jsonrpc/parsed.ts";
import type {
  ClientCapabilities,
  SessionRevision,
} from "../../../shared/mcp.ts";

/** What a server may ask for changes with the first revision that has it. */
const ELICITATION_SINCE: SessionRevision = "2025-06-18";
/** Of URLs to open; sampling with tools came along. */
const MODES_SINCE: SessionRevision = "2025-11-25";
/** Task handles lead nowhere through a gateway that keeps none. */
const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";

/**
 * Answers what is declared on behalf of a client: never more than it declared
 * itself, nor than its revision has a meaning for.
 *
 * | declared | becomes |
 * |---|---|
 * | `roots` | `roots` without `listChanged`: nobody could be told |
 * | `sampling` | the same; before 2025-11-25 without tools and context |
 * | `elicitation` | the same; before 2025-11-25 forms only, before 2025-06-18 none |
 * | `tasks`, the extension for tasks | none |
 * | one of these that is no object | none |
 * | anything else | the same |
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { declaredFor } from "./capabilities.ts";
 *
 * assertEquals(
 *   declaredFor({ roots: { listChanged: true }, tasks: {} }, "2025-11-25"),
 *   { roots: {} },
 * );
 * ```
 */
export function declaredFor(
  capabilities: ClientCapabilities,
  revision: SessionRevision,
): ClientCapabilities {
  const declared: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(capabilities)) {
    const kept = keep(name, value, revision);
    if (kept !== undefined) declared[name] = kept;
  }
  return declared;
}

function keep(
  name: string,
  value: unknown,
  revision: SessionRevision,
): unknown {
  switch (name) {
    case "roots":
      return isObject(value) ? without(value, "listChanged") : undefined;
    case "sampling":
      if (!isObject(value)) return undefined;
      return revision >= MODES_SINCE
        ? value
        : without(value, "tools", "context");
    case "elicitation":
      if (!isObject(value) || revision < ELICITATION_SINCE) return undefined;
      return revision >= MODES_SINCE ? value : without(value, "form", "url");
    case "extensions":
      return isObject(value) ? without(value, TASKS_EXTENSION) : undefined;
    case "tasks":
      return undefined;
    default:
      return value;
  }
}

function without(
  object: Readonly<Record<string, unknown>>,
  ...keys: readonly string[]
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(object).filter(([key]) => !keys.includes(key)),
  );
}
