/**
 * The catalog in force: one value, replaced whole, and whoever waits for the
 * next one.
 *
 * @module
 */

import type { GatewayConfig } from "../../shared/config/model.ts";
import { RouteTable } from "../../shared/routing/route_table.ts";
import type { PageLimits } from "./listing.ts";
import type { MergedCatalog } from "./merge.ts";
import {
  changedViews,
  makeViews,
  PAGES,
  type ViewChanges,
  type Views,
} from "./views.ts";

/** A catalog in force. */
export interface CatalogState {
  /** The configuration it was made from. */
  readonly config: GatewayConfig;
  /** The merged lists. */
  readonly merged: MergedCatalog;
  /** What clients see of it. */
  readonly views: Views;
}

/** Holds the catalog in force. */
export class CurrentCatalog {
  #state: CatalogState | undefined;
  #routes: RouteTable | undefined;
  readonly #waiting = new Set<() => void>();
  readonly #pages: PageLimits;

  /** Begins without a catalog; clients get pages of this size. */
  constructor(pages: PageLimits = PAGES) {
    this.#pages = pages;
  }

  /** The catalog in force; undefined while there is no configuration. */
  get state(): CatalogState | undefined {
    return this.#state;
  }

  /** Who owns what in it, as the router sees it too. */
  get routes(): RouteTable | undefined {
    const state = this.#state;
    return this.#routes ??= state &&
      new RouteTable(state.config, state.merged.catalog);
  }

  /**
   * Puts a catalog in force.
   *
   * @returns Which views look different now.
   */
  replace(config: GatewayConfig, merged: MergedCatalog): ViewChanges {
    const before = this.#state;
    const views = makeViews(
      merged.items,
      config.virtualServers,
      merged.servers,
      this.#pages,
    );
    this.#state = { config, merged, views };
    this.#routes = undefined;
    if (before?.merged.catalog.version !== merged.catalog.version) {
      for (const wake of this.#waiting) wake();
    }
    return changedViews(before?.views ?? new Map(), views);
  }

  /** Waits until the router's catalog is not `version`, or `signal` aborts. */
  async changedFrom(version: string, signal: AbortSignal): Promise<void> {
    while (
      !signal.aborted && this.#state?.merged.catalog.version === version
    ) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#waiting.add(resolve);
      signal.addEventListener("abort", () => resolve(), { once: true });
      await promise;
      this.#waiting.delete(resolve);
    }
  }
}
