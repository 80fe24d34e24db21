/**
 * What a server of the session era is told that its client can do: never more
 * than the client declared, without what cannot be translated. Pure.
 *
 * | capability | becomes |
 * |---|---|
 * | elicitation, sampling | the same |
 * | roots | without `listChanged`: the stateless era has no such notification |
 * | tasks, and the extension that took their place | nothing |
 * | anything else | the same |
 *
 * @module
 */

import { isObject } from "../../../shared/jsonrpc/parsed.ts";
import type { ClientCapabilities } from "../../../shared/mcp.ts";

/** The extension of the stateless era that the tasks of before became. */
const TASKS_EXTENSION = "io.modelcontextprotocol/tasks";

/** What to declare towards a server. */
export function towardsServer(
  declared: ClientCapabilities,
): ClientCapabilities {
  const { tasks: _, roots, extensions, ...rest } = declared;
  return {
    ...rest,
    ...(isObject(roots) ? { roots: without(roots, "listChanged") } : {}),
    ...(isObject(extensions)
      ? { extensions: without(extensions, TASKS_EXTENSION) }
      : {}),
  };
}

function without(
  object: Record<string, unknown>,
  key: string,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(object).filter(([name]) => name !== key),
  );
}
