/**
 * What tests of the store in a SQLite file start from: a state directory,
 * connections to its store and programs that use it at the same time.
 *
 * @module
 */

import { createLogger } from "../log.ts";
import { SqliteStore, type SqliteStoreOptions } from "./sqlite_store.ts";
import type { SessionLimits, SessionStore, StoredSession } from "./store.ts";

/** When its sessions end, in milliseconds since the epoch. */
export const FAR = 4_000_000_000_000;
/** Limits that nothing reaches. */
export const UNLIMITED: SessionLimits = {
  total: 1_000_000,
  perIdentity: 1_000_000,
};

/** A state directory with connections to its store; all closed at the end. */
export class State implements AsyncDisposable {
  /** The directory. */
  readonly dir: string = Deno.makeTempDirSync();
  /** What stores logged, as JSON. */
  readonly logged: string[] = [];
  readonly #open: SessionStore[] = [];

  /** The database in it. */
  get path(): string {
    return `${this.dir}/sessions.db`;
  }

  /** Opens the store, as another process would. */
  async connect(
    options: Pick<SqliteStoreOptions, "endOfTurn"> = {},
  ): Promise<SessionStore> {
    const log = createLogger({
      program: "test",
      level: "debug",
      format: "json",
      write: (line) => this.logged.push(line),
    });
    const store = await SqliteStore.open(this.dir, { log, ...options });
    this.#open.push(store);
    return store;
  }

  /** Closes and removes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#open) await store.close();
    await Deno.remove(this.dir, { recursive: true });
  }
}

const CHILD_IMPORTS = `
  import { SqliteStore } from ${
  JSON.stringify(import.meta.resolve("./sqlite_store.ts"))
};
  const store = await SqliteStore.open(Deno.args[0]);
  const session = (id) => ({ id, identity: "me", createdAt: 0, touchedAt: 0,
    expiresAt: ${FAR}, ended: false,
    expendable: false, data: new Uint8Array(200) });
  const limits = ${JSON.stringify(UNLIMITED)};
`;

/**
 * Starts a program of its own on a state directory, which has `store`,
 * `session(id)` and `limits` to work with.
 */
export async function startChild(
  state: State,
  code: string,
  ...args: string[]
): Promise<Deno.ChildProcess> {
  const script = await Deno.makeTempFile({ dir: state.dir, suffix: ".js" });
  await Deno.writeTextFile(script, CHILD_IMPORTS + code);
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      "--no-prompt",
      `--config=${new URL("../../deno.json", import.meta.url).pathname}`,
      `--allow-read=${state.dir}`,
      `--allow-write=${state.dir}`,
      script,
      state.dir,
      ...args,
    ],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
}

/** A session of that id, with nothing remarkable about it. */
export function session(id: string): StoredSession {
  return {
    id,
    identity: "me",
    createdAt: 0,
    touchedAt: 0,
    expiresAt: FAR,
    ended: false,
    expendable: false,
    data: Uint8Array.of(1),
  };
}
