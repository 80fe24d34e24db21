/**
 * What a client sees of the catalog: all of it, or a virtual server's part.
 * Each view has a hash per capability, so that clients are told of changes to
 * what they see and of nothing else. Pure.
 *
 * @module
 */

import type { VirtualServerConfig } from "../../shared/config/model.ts";
import { LIMITS } from "../../shared/limits.ts";
import type { Era } from "../../shared/mcp.ts";
import { type UriMatcher, uriMatcher } from "../../shared/uri_template.ts";
import {
  type ByKind,
  byKind,
  kindsOf,
  LIST_CAPABILITIES,
  type ListCapability,
  type ListKind,
} from "./kinds.ts";
import { writeInstructions } from "./instructions.ts";
import { type ListHints, strictestOf } from "./list_hints.ts";
import { Listing, type PageLimits } from "./listing.ts";
import { type ListedServer, type MergedItem, shortHash } from "./merge.ts";

/** Key of the view that shows everything. */
export const WHOLE_CATALOG = "";

/** Sizes of pages, unless others are given. */
export const PAGES: PageLimits = {
  items: LIMITS.listPageItems,
  bytes: LIMITS.listPageBytes,
};

/** Characters of a digest: 60 bits, as it stands in the id of each event. */
const DIGEST_CHARACTERS = 10;

/** One selection of the catalog, at one moment. */
export class View {
  /** {@linkcode WHOLE_CATALOG}, or the virtual server's name. */
  readonly key: string;
  /** What is in it, by exposed name, in the order clients see. */
  readonly items: ByKind<ReadonlyMap<string, MergedItem>>;
  readonly #hashes = new Map<ListCapability, string>();
  readonly #listings = new Map<`${Era} ${ListKind}`, Listing>();
  readonly #pages: PageLimits;
  #digest: string | undefined;
  #templates: readonly (readonly [UriMatcher, MergedItem])[] | undefined;

  /** What its servers say of their use, where they do. */
  readonly instructions: string | undefined;
  /** How long each list may be kept, and for whom, where its servers say so. */
  readonly hints: ByKind<ListHints | undefined>;

  /**
   * Shows these.
   *
   * @param servers Every server that is seen.
   * @param pages How large pages become.
   */
  constructor(
    key: string,
    items: ByKind<readonly MergedItem[]>,
    servers: readonly ListedServer[] = [],
    pages: PageLimits = PAGES,
  ) {
    this.key = key;
    this.#pages = pages;
    this.instructions = writeInstructions(servers);
    this.hints = byKind((kind) =>
      strictestOf(servers.map(({ hints }) => hints?.[kind]))
    );
    this.items = byKind((kind) =>
      new Map(items[kind].map((item) => [item.exposed, item]))
    );
  }

  /**
   * Hash of what a capability's lists contain. The order does not count: some
   * servers list in a different one each time, which is no news to a client.
   */
  hash(capability: ListCapability): string {
    let hash = this.#hashes.get(capability);
    if (hash === undefined) {
      const lists = kindsOf(capability).map((kind) =>
        [...this.items[kind].values()].map((item) => item.hash).sort().join()
      );
      hash = shortHash(lists.join(";"));
      this.#hashes.set(capability, hash);
    }
    return hash;
  }

  /** Digest of all of its lists: equal ones, equal lists. */
  get digest(): string {
    this.#digest ??= shortHash(
      LIST_CAPABILITIES.map((capability) => this.hash(capability)).join(),
    ).slice(0, DIGEST_CHARACTERS);
    return this.#digest;
  }

  /** A kind's list as clients of an era see it, in pages. */
  listing(kind: ListKind, era: Era = "session"): Listing {
    const key = `${era} ${kind}` as const;
    let listing = this.#listings.get(key);
    if (listing === undefined) {
      const items = [...this.items[kind].values()];
      listing = new Listing(kind, items, this.#pages, era);
      this.#listings.set(key, listing);
    }
    return listing;
  }

  /** The resource of a URI, or the template that it is or may be made from. */
  resource(uri: string): MergedItem | undefined {
    this.#templates ??= [...this.items.templates.values()].flatMap((item) => {
      const matches = uriMatcher(item.exposed);
      return matches === undefined ? [] : [[matches, item] as const];
    });
    return this.items.resources.get(uri) ?? this.items.templates.get(uri) ??
      this.#templates.find(([matches]) => matches(uri))?.[1];
  }
}

/** All views there are, by key. */
export type Views = ReadonlyMap<string, View>;

/**
 * Makes the views of one state of the catalog.
 *
 * @param servers Every server that is listed, in the order of the
 * configuration.
 * @param pages How large pages become.
 */
export function makeViews(
  items: ByKind<readonly MergedItem[]>,
  virtualServers: readonly VirtualServerConfig[],
  servers: readonly ListedServer[] = [],
  pages: PageLimits = PAGES,
): Views {
  const whole = new View(WHOLE_CATALOG, items, servers, pages);
  const views = new Map([[WHOLE_CATALOG, whole]]);
  for (const virtual of virtualServers) {
    const selected = select(items, virtual);
    const seen = servers.filter((one) => isSeen(one, selected, virtual));
    views.set(virtual.name, new View(virtual.name, selected, seen, pages));
  }
  return views;
}

/** Whether a virtual server shows anything of a server, or may to some. */
function isSeen(
  { server, callerNames }: ListedServer,
  selected: ByKind<readonly MergedItem[]>,
  { tools, prompts }: VirtualServerConfig,
): boolean {
  return callerNames === undefined
    ? [...selected.tools, ...selected.prompts].some((item) =>
      item.server === server
    )
    : prompts === undefined ||
      [...tools, ...prompts].some((name) => callerNames.includes(name));
}

/**
 * A virtual server names tools and prompts, and shows nothing else; every
 * prompt where it names none.
 */
function select(
  items: ByKind<readonly MergedItem[]>,
  virtual: VirtualServerConfig,
): ByKind<readonly MergedItem[]> {
  const only = (kind: "tools" | "prompts") => {
    const chosen = virtual[kind] && new Set(virtual[kind]);
    return chosen === undefined
      ? items[kind]
      : items[kind].filter(({ exposed }) => chosen.has(exposed));
  };
  return {
    tools: only("tools"),
    prompts: only("prompts"),
    resources: [],
    templates: [],
  };
}

/** Keys of the views in which a capability's lists changed. */
export type ViewChanges = Readonly<Record<ListCapability, readonly string[]>>;

/**
 * Compares views: each that looks different to a client, or came, or went, by
 * the capability whose lists are concerned.
 */
export function changedViews(before: Views, after: Views): ViewChanges {
  const keys = [...new Set([...before.keys(), ...after.keys()])];
  const changed = (capability: ListCapability) =>
    keys.filter((key) =>
      before.get(key)?.hash(capability) !== after.get(key)?.hash(capability)
    );
  return {
    tools: changed("tools"),
    prompts: changed("prompts"),
    resources: changed("resources"),
  };
}

/** Whether nothing changed in any view. */
export function isUnchanged(changes: ViewChanges): boolean {
  return LIST_CAPABILITIES.every((one) => changes[one].length === 0);
}
