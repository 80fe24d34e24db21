/**
 * Merges what servers list into one catalog: names, owners, conflicts. The
 * outcome depends on the configuration and the lists alone, never on the order
 * in which servers came, so every replica decides alike. Pure.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { Catalog, CatalogEntry } from "../../shared/catalog.ts";
import type { GatewayConfig, ServerConfig } from "../../shared/config/model.ts";
import { ownerByPrefix } from "../../shared/names.ts";
import type { NameConflict } from "../../shared/status.ts";
import {
  type PreparedTool,
  type PrepareOutcome,
  prepareTool,
} from "./prepare_tool.ts";

/** What is known of one server's lists. */
export interface ServerList {
  /** Name of the server. */
  readonly server: string;
  /** Whether clients see its tools now. */
  readonly listed: boolean;
  /**
   * Whether a name that is missing may still turn out to be this server's: it
   * was never listed and may yet be.
   */
  readonly pending: boolean;
  /** Revision negotiated with it. */
  readonly revision?: string;
  /** Its tools as it wrote them: JSON texts, checked no further. */
  readonly tools: readonly Uint8Array[];
}

/** A tool in the catalog. */
export interface MergedTool extends PreparedTool {
  /** Name of the server that runs it. */
  readonly server: string;
  /** Hash of its bytes. */
  readonly hash: string;
}

/** One state of the catalog. */
export interface MergedCatalog {
  /** What the router is told. */
  readonly catalog: Catalog;
  /** Tools that clients see, by server in the order of the file. */
  readonly tools: readonly MergedTool[];
  /** Names that two servers claim. */
  readonly conflicts: readonly NameConflict[];
  /** Reasons why tools were left out, by server. */
  readonly problems: ReadonlyMap<string, readonly string[]>;
}

/**
 * Merges lists.
 *
 * | name | owner |
 * |---|---|
 * | starts with a server's prefix | that server, longest prefix first |
 * | claimed by servers without prefix | the first one in the configuration |
 * | twice in one server's list | the first one |
 *
 * The others lose that name and nothing else. A server that is not listed just
 * now keeps the names it had: a call meant for it must never reach another
 * server because it is down. The router is told of those too, so that such a
 * call fails as unreachable and not as unknown.
 */
export function mergeCatalog(
  config: GatewayConfig,
  lists: readonly ServerList[],
): MergedCatalog {
  const byServer = new Map(lists.map((list) => [list.server, list]));
  const enabled = config.servers.filter((s) => s.state === "Enabled");
  const owned = new Map<string, MergedTool>();
  const problems = new Map<string, readonly string[]>();
  const conflicts: NameConflict[] = [];

  for (const server of enabled) {
    const reasons: string[] = [];
    for (const raw of byServer.get(server.name)?.tools ?? []) {
      const outcome = prepare(raw, server.prefix);
      if (outcome.kind === "left out") {
        reasons.push(outcome.reason);
        continue;
      }
      const { tool, hash } = outcome;
      const kept = ownerByPrefix(tool.exposed, enabled)?.name ??
        owned.get(tool.exposed)?.server ?? server.name;
      if (kept !== server.name) {
        conflicts.push({
          kind: "tool",
          name: tool.exposed,
          kept,
          hidden: server.name,
        });
      } else if (owned.has(tool.exposed)) {
        reasons.push(`tool ${JSON.stringify(tool.name)}: it is listed twice`);
      } else {
        owned.set(tool.exposed, { ...tool, server: server.name, hash });
      }
    }
    if (reasons.length > 0) problems.set(server.name, reasons);
  }

  const tools = [...owned.values()].filter((tool) =>
    byServer.get(tool.server)?.listed === true
  );
  return {
    catalog: describe(config, enabled, byServer, owned),
    tools,
    conflicts,
    problems,
  };
}

function describe(
  config: GatewayConfig,
  enabled: readonly ServerConfig[],
  lists: ReadonlyMap<string, ServerList>,
  owned: ReadonlyMap<string, MergedTool>,
): Catalog {
  const content = {
    config: config.version,
    // A server with a prefix cannot own a name that is looked up here.
    complete: enabled.every((server) =>
      server.prefix !== "" || lists.get(server.name)?.pending === false
    ),
    urisComplete: enabled.every((server) =>
      lists.get(server.name)?.pending === false
    ),
    servers: config.servers.map((server) => {
      const list = lists.get(server.name);
      return {
        name: server.name,
        ready: list?.listed ?? false,
        ...(list?.revision === undefined ? {} : { revision: list.revision }),
      };
    }),
    tools: entries(owned),
    prompts: entries(new Map()),
    resources: entries(new Map()),
    templates: [],
  };
  return { version: shortHash(JSON.stringify(content)), ...content };
}

/** A record without a prototype: names such as `__proto__` are only names. */
function entries(
  tools: ReadonlyMap<string, MergedTool>,
): Readonly<Record<string, CatalogEntry>> {
  const record: Record<string, CatalogEntry> = Object.create(null);
  for (const [exposed, tool] of tools) {
    record[exposed] = { server: tool.server, name: tool.name };
  }
  return record;
}

type Prepared =
  | {
    readonly kind: "tool";
    readonly tool: PreparedTool;
    readonly hash: string;
  }
  | Extract<PrepareOutcome, { kind: "left out" }>;

/** A list is merged again at each change of any server, and read only once. */
const prepared = new WeakMap<Uint8Array, Map<string, Prepared>>();

function prepare(raw: Uint8Array, prefix: string): Prepared {
  let byPrefix = prepared.get(raw);
  if (byPrefix === undefined) prepared.set(raw, byPrefix = new Map());
  let outcome = byPrefix.get(prefix);
  if (outcome === undefined) {
    const fresh = prepareTool(raw, prefix);
    outcome = fresh.kind === "tool"
      ? { ...fresh, hash: shortHash(fresh.tool.bytes) }
      : fresh;
    byPrefix.set(prefix, outcome);
  }
  return outcome;
}

/** 128 bits of SHA-256, for comparing contents. */
export function shortHash(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("base64url").slice(0, 22);
}
