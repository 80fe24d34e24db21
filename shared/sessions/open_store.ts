/**
 * Chooses the session store that the options name.
 *
 * @module
 */

import { MemoryStore } from "./memory_store.ts";
import { SqliteStore } from "./sqlite_store.ts";
import type { SessionStore } from "./store.ts";

/** Which store, and where it keeps its file. */
export interface StoreOptions {
  /** `sqlite` is shared on one machine; `memory` lives in one process. */
  readonly kind: "sqlite" | "memory";
  /** The state directory. */
  readonly stateDir: string;
}

/** Opens a session store. Rejects, naming the remedy, where that fails. */
export async function openStore(options: StoreOptions): Promise<SessionStore> {
  switch (options.kind) {
    case "sqlite":
      return await SqliteStore.open(options.stateDir);
    case "memory":
      return new MemoryStore();
    default:
      return options.kind satisfies never;
  }
}
