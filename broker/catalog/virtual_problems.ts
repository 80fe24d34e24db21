/**
 * What is wrong with virtual servers: names that they select and no server
 * has. Pure.
 *
 * @module
 */

import type { Catalog } from "../../shared/catalog.ts";
import type { GatewayConfig } from "../../shared/config/model.ts";
import { ownerByPrefix } from "../../shared/names.ts";
import { KINDS } from "./kinds.ts";

/**
 * Finds the names that virtual servers select in vain. A name that a server
 * may yet have, or may have for some callers, is not among them.
 *
 * @param isPending Tells whether it is still open what a server has.
 * @returns Reasons by virtual server; none for those that are well.
 */
export function virtualProblems(
  { servers, virtualServers }: GatewayConfig,
  catalog: Catalog,
  isPending: (server: string) => boolean,
): ReadonlyMap<string, readonly string[]> {
  const enabled = servers.filter(({ state }) => state === "Enabled");
  const mayExist = (kind: "tools" | "prompts", name: string) => {
    if (Object.hasOwn(catalog[kind], name)) return true;
    const owner = ownerByPrefix(name, enabled);
    return owner === undefined
      ? !catalog.complete
      : owner.userSpecificList || isPending(owner.name);
  };
  const found = new Map<string, readonly string[]>();
  for (const virtual of virtualServers) {
    const problems = (["tools", "prompts"] as const).flatMap((kind) =>
      (virtual[kind] ?? []).filter((name) => !mayExist(kind, name))
        .map((name) =>
          `${KINDS[kind].noun} ${JSON.stringify(name)}: no server has it`
        )
    );
    if (problems.length > 0) found.set(virtual.name, problems);
  }
  return found;
}
