/**
 * The broker's moving parts, put together: a configuration goes in, servers
 * are looked after, what they list becomes the catalog, and clients who see
 * another catalog are told. Does no IO of its own.
 *
 * @module
 */

import type { GatewayConfig } from "../shared/config/model.ts";
import { isObject } from "../shared/jsonrpc/parsed.ts";
import type { Logger } from "../shared/log.ts";
import type {
  ServerStatus,
  Status,
  VirtualServerStatus,
} from "../shared/status.ts";
import {
  type CatalogState,
  CurrentCatalog,
} from "./catalog/current_catalog.ts";
import {
  type ByKind,
  changeNotification,
  KINDS,
  LIST_CAPABILITIES,
  LIST_KINDS,
  type ListCapability,
  type ListKind,
  NO_ITEMS,
} from "./catalog/kinds.ts";
import {
  mergeCatalog,
  type MergedCatalog,
  type MergedItem,
  type ServerList,
} from "./catalog/merge.ts";
import type { PageLimits } from "./catalog/listing.ts";
import { isUnchanged, type ViewChanges } from "./catalog/views.ts";
import { type ListenLimits, Listens } from "./listens/listens.ts";
import { viewsOfOwnItems } from "./lists/own_items.ts";
import { Hub, type HubLimits } from "./notifications/hub.ts";
import { serverMeta } from "./stateless_era/results.ts";
import type { OwnItems } from "./lists/list_answers.ts";
import { callerItems } from "./upstream/caller_items.ts";
import { CallerLists, type OpenAsCaller } from "./upstream/caller_lists.ts";
import { Fleet } from "./upstream/fleet.ts";
import {
  isListed,
  type ServerSnapshot,
  type SupervisorOptions,
} from "./upstream/supervisor.ts";

/** What the broker works with. */
export interface BrokerOptions
  extends Omit<SupervisorOptions, "onChange" | "onCallerLists"> {
  /** Opens sessions as a caller would, for servers that list by caller. */
  readonly openAsCaller: OpenAsCaller;
  /** Limits of clients' streams. */
  readonly streams: HubLimits & ListenLimits;
  /** Tells brokers, and runs of one broker, apart: random, hexadecimal. */
  readonly instance: string;
  /** Told of a client session whose last stream ended. */
  readonly onSilent?: (session: string) => void;
  /** Told of changes, once the streams here were told of them. */
  readonly onChanges?: (changes: ViewChanges) => void;
  /** Told of a session that has no stream here and should hear of a change. */
  readonly onUntold?: (session: string, capability: ListCapability) => void;
  /** How large pages of clients' lists become; the defaults unless given. */
  readonly pages?: PageLimits;
  /** The gateway's version. */
  readonly version: string;
  /** Milliseconds after which a server that hangs keeps nobody waiting. */
  readonly settleMs: number;
}

/** One broker. */
export class Broker {
  /** The catalog in force. */
  readonly catalog: CurrentCatalog;
  /** Clients' streams. */
  readonly hub: Hub;
  /** Streams of clients without sessions. */
  readonly listens: Listens;
  /** What servers list for single callers. */
  readonly callerLists: CallerLists;
  /** Finds what only one client sees. */
  readonly ownItems: OwnItems;
  readonly #options: BrokerOptions;
  readonly #log: Logger;
  readonly #fleet: Fleet;
  #config: GatewayConfig | undefined;
  #configuredAt: number | undefined;
  #settled = false;
  #stale = false;
  #building = false;

  /** Begins without a configuration. */
  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#log = options.log;
    this.catalog = new CurrentCatalog(options.pages);
    const { streams: limits, instance, onSilent } = options;
    this.hub = new Hub({
      limits,
      instance,
      others: () => this.listens.count,
      digestOf: (view) => this.catalog.state?.views.get(view)?.digest,
      ...(onSilent === undefined ? {} : { onSilent }),
    });
    this.listens = new Listens({
      limits,
      serverMeta: serverMeta(options.version),
      others: () => this.hub.size,
    });
    this.callerLists = new CallerLists({
      ...options,
      open: options.openAsCaller,
      eraOf: (server) => this.#fleet.relied(server),
      onEra: (server, spoken) => this.#fleet.learnEra(server, spoken),
      onLate: (session, kinds) => this.#tell(session, kinds),
    });
    this.ownItems = callerItems(
      this.catalog,
      this.callerLists,
      (server) => this.#isRefused(server),
    );
    this.#fleet = new Fleet({
      ...options,
      onChange: () => this.#changed(),
      onCallerLists: (server, kinds) => {
        this.#ownListsChanged(server, kinds);
      },
    });
  }

  /** Puts a configuration in force. */
  apply(config: GatewayConfig): void {
    this.#config = config;
    this.#configuredAt ??= this.#options.now();
    this.#fleet.apply(config);
    this.#rebuild();
  }

  /**
   * Whether the catalog is worth asking for: each server was tried, or those
   * that were not have had their time.
   */
  get settled(): boolean {
    if (this.#configuredAt === undefined) return false;
    // For good: a server that is added takes no traffic away from the others.
    this.#settled ||= this.#fleet.snapshots.every((server) => server.tried) ||
      this.#options.now() - this.#configuredAt >= this.#options.settleMs;
    return this.#settled;
  }

  /** The status document. */
  status(configProblems: readonly string[], ready: boolean): Status {
    const { state } = this.catalog;
    const items = state?.merged.items ?? NO_ITEMS;
    return {
      version: this.#options.version,
      ...(this.#config === undefined ? {} : { config: this.#config.version }),
      configProblems,
      ready,
      servers: this.#fleet.snapshots.map((snapshot) =>
        describeServer(
          snapshot,
          items,
          state?.merged.problems.get(snapshot.server.name) ?? [],
        )
      ),
      virtualServers: state === undefined ? [] : describeVirtual(state),
      conflicts: state?.merged.conflicts ?? [],
      streams: { sessions: this.hub.count, listens: this.listens.count },
    };
  }

  /** What is known of each server. */
  get servers(): readonly ServerSnapshot[] {
    return this.#fleet.snapshots;
  }

  /** Whether a server declared a capability when it introduced itself last. */
  declares(server: string, capability: string): boolean {
    return this.#fleet.snapshots.some((one) =>
      one.server.name === server &&
      isObject(one.introduction?.capabilities[capability])
    );
  }

  /** Whether a server tells of updates of resources, as far as is known. */
  tellsUpdates(server: string): boolean {
    const introduction = this.#fleet.snapshots.find((one) =>
      one.server.name === server
    )?.introduction;
    if (introduction === undefined) return true;
    const resources = introduction.capabilities["resources"];
    return isObject(resources) && resources["subscribe"] === true;
  }

  /**
   * Looks at a server that did not answer a call as one of its era does: all
   * of its lists are read again, which finds out what it is by now.
   */
  doubt(server: string): void {
    this.#fleet.relist(server, LIST_KINDS);
  }

  /**
   * Has lists of a server read again, soon.
   *
   * @param session The session of the client that the server told.
   */
  relist(server: string, kinds: readonly ListKind[], session: string): void {
    const byCaller = this.#config?.servers.some((one) =>
      one.name === server && one.userSpecificList
    );
    if (!byCaller) return this.#fleet.relist(server, kinds);
    // Whatever changed did so for this caller; of others nobody knows.
    this.callerLists.changed(server, session);
    this.#tell(session, kinds);
  }

  /** Ends clients' streams, so that they come back to another broker. */
  endStreams(): void {
    this.hub.endAll();
    this.listens.endAll();
  }

  /** Ends everything, sessions with servers too. */
  async close(): Promise<void> {
    this.endStreams();
    await Promise.all([this.#fleet.close(), this.callerLists.close()]);
  }

  /** Lists of a server that differ by caller have changed for some of them. */
  #ownListsChanged(server: string, kinds: readonly ListKind[]): void {
    for (const session of this.callerLists.changed(server)) {
      this.#tellSession(session, kinds);
    }
    // Of callers without sessions nobody knows who has listed: any of them may
    // have done so at another broker.
    const config = this.#config;
    if (config === undefined) return;
    for (const kind of kinds) {
      const views = viewsOfOwnItems(kind, server, config);
      this.listens.announce(views, KINDS[kind].capability);
    }
  }

  /** Tells one session, or caller without one, that lists have changed. */
  #tell(session: string, kinds: readonly ListKind[]): void {
    this.#tellSession(session, kinds);
    this.listens.tell(session, capabilitiesOf(kinds));
  }

  #tellSession(session: string, kinds: readonly ListKind[]): void {
    for (const capability of capabilitiesOf(kinds)) {
      const method = changeNotification(capability);
      const message = JSON.stringify({ jsonrpc: "2.0", method });
      if (this.hub.send(session, message)) continue;
      this.#options.onUntold?.(session, capability);
    }
  }

  #isRefused(server: string): boolean {
    return this.#fleet.snapshots.some((one) =>
      one.server.name === server && one.state === "refused"
    );
  }

  /** Several servers often change at once: one new catalog for all of them. */
  #changed(): void {
    if (this.#stale) return;
    this.#stale = true;
    queueMicrotask(() => this.#rebuild());
  }

  /**
   * Brings the catalog up to date. A runtime may run microtasks in the middle
   * of a synchronous call (Deno does when it loads `node:crypto`), so a server
   * can change even while the catalog is being built.
   */
  #rebuild(): void {
    this.#stale = true;
    if (this.#building) return;
    this.#building = true;
    try {
      while (this.#stale) {
        this.#stale = false;
        this.#build();
      }
    } finally {
      this.#building = false;
    }
  }

  #build(): void {
    const config = this.#config;
    if (config === undefined) return;
    const before = this.catalog.state?.merged;
    const merged = mergeCatalog(config, this.#fleet.snapshots.map(listOf));
    // Servers that changed meanwhile are in the next one.
    if (this.#stale) return;
    const changes = this.catalog.replace(config, merged);
    this.listens.recheck(() => this.catalog.routes);
    this.#logProblems(before, merged);
    if (isUnchanged(changes)) return;
    this.#log.info("catalog changed", {
      catalog: merged.catalog.version,
      tools: merged.items.tools.length,
      prompts: merged.items.prompts.length,
      resources: merged.items.resources.length,
      templates: merged.items.templates.length,
      conflicts: merged.conflicts.length,
      told: this.#announce(changes),
    });
    this.#options.onChanges?.(changes);
  }

  /** Tells clients what changed for them; returns how many were told what. */
  #announce(changes: ViewChanges): Readonly<Record<string, number>> {
    const told = LIST_CAPABILITIES.map((capability) => {
      const method = changeNotification(capability);
      const message = JSON.stringify({ jsonrpc: "2.0", method });
      const views = changes[capability];
      const count = this.hub.announce(views, message) +
        this.listens.announce(views, capability);
      return [capability, count] as const;
    });
    return Object.fromEntries(told);
  }

  #logProblems(before: MergedCatalog | undefined, after: MergedCatalog): void {
    for (const [server, problems] of after.problems) {
      if (before?.problems.get(server)?.join() === problems.join()) continue;
      this.#log.warn("listed items left out or doubtful", { server, problems });
    }
    for (const [virtualServer, problems] of after.virtualProblems) {
      const known = before?.virtualProblems.get(virtualServer)?.join();
      if (known === problems.join()) continue;
      this.#log.warn("names selected in vain", { virtualServer, problems });
    }
  }
}

function capabilitiesOf(kinds: readonly ListKind[]): Set<ListCapability> {
  return new Set(kinds.map((kind) => KINDS[kind].capability));
}

function describeVirtual(
  { config, merged, views }: CatalogState,
): readonly VirtualServerStatus[] {
  return config.virtualServers.map(({ name }) => ({
    name,
    tools: views.get(name)?.items.tools.size ?? 0,
    prompts: views.get(name)?.items.prompts.size ?? 0,
    problems: merged.virtualProblems.get(name) ?? [],
  }));
}

/** A server's snapshot as the merge wants it. */
function listOf(snapshot: ServerSnapshot): ServerList {
  const { server, state, known, items, hints, era, sessions, introduction } =
    snapshot;
  return {
    server: server.name,
    listed: isListed(state),
    pending: !known && state !== "refused" && state !== "disabled",
    ...(era === undefined ? {} : { era }),
    ...(sessions ? { sessions } : {}),
    ...(introduction === undefined ? {} : { revision: introduction.revision }),
    ...(introduction?.instructions === undefined
      ? {}
      : { instructions: introduction.instructions }),
    items,
    ...(hints === undefined ? {} : { hints }),
  };
}

function describeServer(
  snapshot: ServerSnapshot,
  items: ByKind<readonly MergedItem[]>,
  leftOut: readonly string[],
): ServerStatus {
  const { server, introduction, latencyMs, lastError } = snapshot;
  const capabilities = introduction?.capabilities ?? {};
  const count = (kind: ListKind) =>
    items[kind].filter((item) => item.server === server.name).length;
  return {
    name: server.name,
    url: server.url,
    hostname: server.hostname,
    prefix: server.prefix,
    state: snapshot.state,
    since: new Date(snapshot.since).toISOString(),
    ...(snapshot.era === undefined ? {} : { era: snapshot.era }),
    ...(snapshot.sessions ? { sessions: true } : {}),
    ...(introduction === undefined ? {} : {
      revision: introduction.revision,
      serverInfo: introduction.serverInfo,
    }),
    tools: count("tools"),
    prompts: count("prompts"),
    resources: count("resources"),
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(lastError === undefined ? {} : { lastError }),
    problems: [
      ...snapshot.problems,
      ...leftOut,
      ...(server.userSpecificList && isObject(capabilities["resources"])
        ? [
          "its resources are not listed: userSpecificList is for tools and prompts, which are found by prefix",
        ]
        : []),
    ],
  };
}
