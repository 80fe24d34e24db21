/**
 * The broker's moving parts, put together: a configuration goes in, servers
 * are looked after, what they list becomes the catalog, and clients who see
 * another catalog are told. Does no IO of its own.
 *
 * @module
 */

import type { GatewayConfig } from "../shared/config/model.ts";
import type { Logger } from "../shared/log.ts";
import type { ServerStatus, Status } from "../shared/status.ts";
import { CurrentCatalog } from "./catalog/current_catalog.ts";
import {
  type ByKind,
  changeNotification,
  LIST_CAPABILITIES,
  type ListKind,
  NO_ITEMS,
} from "./catalog/kinds.ts";
import {
  mergeCatalog,
  type MergedItem,
  type ServerList,
} from "./catalog/merge.ts";
import { isUnchanged, type ViewChanges } from "./catalog/views.ts";
import { Hub, type HubLimits } from "./notifications/hub.ts";
import { Fleet } from "./upstream/fleet.ts";
import {
  isListed,
  type ServerSnapshot,
  type SupervisorOptions,
} from "./upstream/supervisor.ts";

/** What the broker works with. */
export interface BrokerOptions extends Omit<SupervisorOptions, "onChange"> {
  /** Limits of clients' streams. */
  readonly streams: HubLimits;
  /** The gateway's version. */
  readonly version: string;
  /** Milliseconds after which a server that hangs keeps nobody waiting. */
  readonly settleMs: number;
}

/** One broker. */
export class Broker {
  /** The catalog in force. */
  readonly catalog: CurrentCatalog = new CurrentCatalog();
  /** Clients' streams. */
  readonly hub: Hub;
  readonly #options: BrokerOptions;
  readonly #log: Logger;
  readonly #fleet: Fleet;
  #config: GatewayConfig | undefined;
  #configuredAt: number | undefined;
  #stale = false;
  #building = false;

  /** Begins without a configuration. */
  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#log = options.log;
    this.hub = new Hub(options.streams);
    this.#fleet = new Fleet({ ...options, onChange: () => this.#changed() });
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
    return this.#fleet.snapshots.every((server) => server.tried) ||
      this.#options.now() - this.#configuredAt >= this.#options.settleMs;
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
      conflicts: state?.merged.conflicts ?? [],
    };
  }

  /** What is known of each server. */
  get servers(): readonly ServerSnapshot[] {
    return this.#fleet.snapshots;
  }

  /** Ends clients' streams, so that they come back to another broker. */
  endStreams(): void {
    this.hub.endAll();
  }

  /** Ends everything, sessions with servers too. */
  async close(): Promise<void> {
    this.hub.endAll();
    await this.#fleet.close();
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
    this.#logProblems(before?.problems, merged.problems);
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
  }

  /** Tells clients what changed for them; returns how many were told what. */
  #announce(changes: ViewChanges): Readonly<Record<string, number>> {
    const told = LIST_CAPABILITIES.map((capability) => {
      const method = changeNotification(capability);
      const message = JSON.stringify({ jsonrpc: "2.0", method });
      const views = changes[capability];
      return [capability, this.hub.announce(views, message)] as const;
    });
    return Object.fromEntries(told);
  }

  #logProblems(
    before: ReadonlyMap<string, readonly string[]> | undefined,
    after: ReadonlyMap<string, readonly string[]>,
  ): void {
    for (const [server, problems] of after) {
      if (before?.get(server)?.join() === problems.join()) continue;
      this.#log.warn("listed items left out", { server, problems });
    }
  }
}

/** A server's snapshot as the merge wants it. */
function listOf(snapshot: ServerSnapshot): ServerList {
  const { server, state, known, items, introduction } = snapshot;
  return {
    server: server.name,
    listed: isListed(state),
    pending: !known && state !== "refused" && state !== "disabled",
    ...(introduction === undefined ? {} : { revision: introduction.revision }),
    items,
  };
}

function describeServer(
  snapshot: ServerSnapshot,
  items: ByKind<readonly MergedItem[]>,
  leftOut: readonly string[],
): ServerStatus {
  const { server, introduction, latencyMs, lastError } = snapshot;
  const count = (kind: ListKind) =>
    items[kind].filter((item) => item.server === server.name).length;
  return {
    name: server.name,
    url: server.url,
    hostname: server.hostname,
    prefix: server.prefix,
    state: snapshot.state,
    since: new Date(snapshot.since).toISOString(),
    ...(introduction === undefined ? {} : {
      era: "session",
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
      ...(server.userSpecificList
        ? ["userSpecificList is not acted on yet: every caller sees one list"]
        : []),
    ],
  };
}
