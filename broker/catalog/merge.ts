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
import type { Era } from "../../shared/mcp.ts";
import { ownerByPrefix } from "../../shared/names.ts";
import type { SpokenEras } from "../../shared/upstream/introduction.ts";
import type { NameConflict } from "../../shared/status.ts";
import {
  type ByKind,
  byKind,
  type KindRow,
  KINDS,
  LIST_KINDS,
  type ListKind,
} from "./kinds.ts";
import type { ListHints } from "./list_hints.ts";
import type { InstructedServer } from "./instructions.ts";
import {
  type PreparedItem,
  prepareItem,
  type PrepareOutcome,
} from "./prepare_item.ts";
import { virtualProblems } from "./virtual_problems.ts";

/** Reasons of one server that are told. */
const MAX_REASONS = 50;

/** What is known of one server's lists. */
export interface ServerList {
  /** Name of the server. */
  readonly server: string;
  /** Whether clients see what it offers now. */
  readonly listed: boolean;
  /**
   * Whether a name that is missing may still turn out to be this server's: it
   * was never listed and may yet be.
   */
  readonly pending: boolean;
  /** The era it speaks, last known. */
  readonly era?: Era;
  /** Whether it keeps sessions too, where that is the stateless one. */
  readonly sessions?: boolean;
  /** Revision negotiated with it. */
  readonly revision?: string;
  /** What it says of its use. */
  readonly instructions?: string;
  /** What it lists, as it wrote it: JSON texts, checked no further. */
  readonly items: ByKind<readonly Uint8Array[]>;
  /** How long its lists may be kept, and for whom, where it says so. */
  readonly hints?: Partial<ByKind<ListHints>>;
}

/** A server that clients see. */
export interface ListedServer extends InstructedServer {
  /**
   * Where each caller sees another list of it: the names that virtual servers
   * select and that can only be its own.
   */
  readonly callerNames?: readonly string[];
  /** How long its lists may be kept, and for whom, where it says so. */
  readonly hints?: Partial<ByKind<ListHints>>;
}

/** A tool, prompt, resource or template in the catalog. */
export interface MergedItem extends PreparedItem {
  /** Name of the server that it belongs to. */
  readonly server: string;
  /** Hash of what clients see of it. */
  readonly hash: string;
}

/** One state of the catalog. */
export interface MergedCatalog {
  /** What the router is told. */
  readonly catalog: Catalog;
  /** What clients see, by server in the order of the file. */
  readonly items: ByKind<readonly MergedItem[]>;
  /** The servers that clients see, in the order of the file. */
  readonly servers: readonly ListedServer[];
  /** Names and URIs that two servers claim. */
  readonly conflicts: readonly NameConflict[];
  /** What was left out or is doubtful, and why, by server. */
  readonly problems: ReadonlyMap<string, readonly string[]>;
  /** What is wrong with virtual servers, by their names. */
  readonly virtualProblems: ReadonlyMap<string, readonly string[]>;
}

/**
 * Merges lists, each kind by itself and all in the same way.
 *
 * | name | owner |
 * |---|---|
 * | starts with a server's prefix | that server, longest prefix first |
 * | claimed by servers without prefix | the first one in the configuration |
 * | a URI, which has no prefix | the first one in the configuration |
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
  // What some callers see is nobody else's business.
  const shared = enabled.filter((server) => !server.userSpecificList);
  const listed = new Map(
    lists.filter(({ server }) => shared.some(({ name }) => name === server))
      .map((list) => [list.server, list]),
  );
  const merged = byKind((kind) => mergeKind(kind, enabled, listed));
  const all = LIST_KINDS.map((kind) => merged[kind]);
  const problems = new Map<string, readonly string[]>();
  for (const { name } of enabled) {
    const reasons = all.flatMap((one) => one.problems.get(name) ?? []);
    if (reasons.length > 0) problems.set(name, readable(reasons));
  }
  const catalog = describe(config, enabled, byServer, merged);
  return {
    catalog,
    items: byKind((kind) =>
      [...merged[kind].owned.values()].filter((item) =>
        byServer.get(item.server)?.listed === true
      )
    ),
    servers: enabled.flatMap((server) => {
      const list = byServer.get(server.name);
      if (!list?.listed) return [];
      return [describeListed(server, list, () => selectedOf(server, config))];
    }),
    conflicts: all.flatMap((one) => one.conflicts),
    problems,
    virtualProblems: virtualProblems(
      config,
      catalog,
      (server) => byServer.get(server)?.pending !== false,
    ),
  };
}

/** As many reasons as somebody may read, and how many more there are. */
function readable(reasons: readonly string[]): readonly string[] {
  const more = reasons.length - MAX_REASONS;
  return more > 0
    ? [...reasons.slice(0, MAX_REASONS), `and ${more} more like these`]
    : reasons;
}

function describeListed(
  { name, userSpecificList }: ServerConfig,
  { instructions, hints }: ServerList,
  selected: () => readonly string[],
): ListedServer {
  return {
    server: name,
    ...(instructions === undefined ? {} : { instructions }),
    ...(userSpecificList ? { callerNames: selected() } : {}),
    ...(hints === undefined ? {} : { hints }),
  };
}

/** Names that virtual servers select and a server owns by its prefix. */
function selectedOf(
  { name }: ServerConfig,
  { servers, virtualServers }: GatewayConfig,
): readonly string[] {
  const enabled = servers.filter((s) => s.state === "Enabled");
  return virtualServers.flatMap(({ tools, prompts = [] }) => [
    ...tools,
    ...prompts,
  ]).filter((selected) => ownerByPrefix(selected, enabled)?.name === name);
}

interface MergedKind {
  /** By what clients call it. */
  readonly owned: ReadonlyMap<string, MergedItem>;
  readonly conflicts: readonly NameConflict[];
  readonly problems: ReadonlyMap<string, readonly string[]>;
}

function mergeKind(
  kind: ListKind,
  enabled: readonly ServerConfig[],
  lists: ReadonlyMap<string, ServerList>,
): MergedKind {
  const row = KINDS[kind];
  const owned = new Map<string, MergedItem>();
  const conflicts: NameConflict[] = [];
  const problems = new Map<string, readonly string[]>();
  for (const server of enabled) {
    const reasons: string[] = [];
    const list = lists.get(server.name);
    const { era = "session", sessions = false } = list ?? {};
    for (const raw of list?.items[kind] ?? []) {
      const outcome = prepare(kind, raw, server.prefix, { era, sessions });
      if (outcome.kind === "left out") {
        reasons.push(outcome.reason);
        continue;
      }
      const { item, hash } = outcome;
      const name = item.exposed;
      const kept = prefixOwner(row, name, enabled) ??
        owned.get(name)?.server ?? server.name;
      if (kept !== server.name) {
        conflicts.push({ kind: row.noun, name, kept, hidden: server.name });
      } else if (owned.has(name)) {
        const label = JSON.stringify(item.name);
        reasons.push(`${row.noun} ${label}: it is listed twice`);
      } else {
        owned.set(name, { ...item, server: server.name, hash });
        reasons.push(...outcome.doubts);
      }
    }
    if (reasons.length > 0) problems.set(server.name, reasons);
  }
  return { owned, conflicts, problems };
}

function prefixOwner(
  { prefixed }: KindRow,
  name: string,
  enabled: readonly ServerConfig[],
): string | undefined {
  return prefixed ? ownerByPrefix(name, enabled)?.name : undefined;
}

function describe(
  config: GatewayConfig,
  enabled: readonly ServerConfig[],
  lists: ReadonlyMap<string, ServerList>,
  merged: ByKind<MergedKind>,
): Catalog {
  const content = {
    config: config.version,
    // A server with a prefix cannot own a name that is looked up here.
    complete: enabled.every((server) =>
      server.prefix !== "" || lists.get(server.name)?.pending === false
    ),
    urisComplete: enabled.every((server) =>
      server.userSpecificList || lists.get(server.name)?.pending === false
    ),
    servers: config.servers.map((server) => {
      const list = lists.get(server.name);
      return {
        name: server.name,
        ready: list?.listed ?? false,
        ...(list?.era === undefined ? {} : { era: list.era }),
        ...(list?.sessions ? { sessions: true } : {}),
        ...(list?.revision === undefined ? {} : { revision: list.revision }),
      };
    }),
    tools: entries(merged.tools.owned),
    prompts: entries(merged.prompts.owned),
    resources: entries(merged.resources.owned),
    templates: [...merged.templates.owned].map(([uriTemplate, { server }]) => ({
      server,
      uriTemplate,
    })),
  };
  return { version: shortHash(JSON.stringify(content)), ...content };
}

/**
 * Merges what servers list for one caller, by the rules of
 * {@linkcode mergeCatalog}. Nothing of it can clash with what all see: such a
 * server has a prefix, and no other one gets a name that begins with it.
 *
 * @param lists Lists of the caller's own, of `userSpecificList` servers.
 */
export function mergeForCaller(
  config: GatewayConfig,
  lists: readonly ServerList[],
): ByKind<readonly MergedItem[]> {
  const byServer = new Map(lists.map((list) => [list.server, list]));
  const enabled = config.servers.filter((s) => s.state === "Enabled");
  const own = (
    kind: "tools" | "prompts",
  ) => [...mergeKind(kind, enabled, byServer).owned.values()];
  return {
    tools: own("tools"),
    prompts: own("prompts"),
    // Nobody but who listed it could tell whose a URI is.
    resources: [],
    templates: [],
  };
}

/** A record without a prototype: names such as `__proto__` are only names. */
function entries(
  items: ReadonlyMap<string, MergedItem>,
): Readonly<Record<string, CatalogEntry>> {
  const record: Record<string, CatalogEntry> = Object.create(null);
  for (const [exposed, { server, name, paramHeaders }] of items) {
    record[exposed] = {
      server,
      name,
      ...(paramHeaders === undefined ? {} : { paramHeaders }),
    };
  }
  return record;
}

type Prepared =
  | {
    readonly kind: "item";
    readonly item: PreparedItem;
    readonly doubts: readonly string[];
    readonly hash: string;
  }
  | Extract<PrepareOutcome, { kind: "left out" }>;

/** A list is merged again at each change of any server, and read only once. */
const prepared = new WeakMap<Uint8Array, Map<string, Prepared>>();

function prepare(
  kind: ListKind,
  raw: Uint8Array,
  prefix: string,
  spoken: SpokenEras,
): Prepared {
  let known = prepared.get(raw);
  if (known === undefined) prepared.set(raw, known = new Map());
  const key = `${kind} ${spoken.era} ${spoken.sessions} ${prefix}`;
  let outcome = known.get(key);
  if (outcome === undefined) {
    const fresh = prepareItem(kind, raw, prefix, spoken);
    outcome = fresh.kind === "item"
      ? { ...fresh, hash: hashOf(fresh.item) }
      : fresh;
    known.set(key, outcome);
  }
  return outcome;
}

/** A hash of what clients of either era see. */
function hashOf(item: PreparedItem): string {
  const { bytes, stateless, sessionOnly } = item;
  if (stateless === undefined && sessionOnly === undefined) {
    return shortHash(bytes);
  }
  return shortHash(`${shortHash(bytes)} ${shortHash(stateless ?? "")}`);
}

/** 128 bits of SHA-256, for comparing contents. */
export function shortHash(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("base64url").slice(0, 22);
}
