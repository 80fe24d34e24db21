/**
 * The session store in a SQLite file: the default, shared by the programs of
 * one machine through their state directory, and still there after a restart.
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import type {
  ClaimOutcome,
  CreateOutcome,
  SessionLimits,
  SessionStore,
  StoredBackend,
  StoredSession,
} from "./store.ts";

/** Name of the database file in the state directory. */
export const STORE_FILE = "sessions.db";

/** Schema that this program reads and writes, kept in `user_version`. */
const SCHEMA = 1;

/**
 * How long a statement waits for another process's write, which takes
 * microseconds: longer means that the process hangs, and we must not.
 */
const BUSY_TIMEOUT_MS = 250;

const TABLES = `
CREATE TABLE sessions (
  id TEXT PRIMARY KEY,
  identity TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  touched_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_live ON sessions (identity, expires_at) WHERE ended = 0;
CREATE TABLE live (total INTEGER NOT NULL) STRICT; -- counting takes ms
INSERT INTO live VALUES (0);
CREATE TRIGGER session_begins AFTER INSERT ON sessions WHEN new.ended = 0
  BEGIN UPDATE live SET total = total + 1; END;
CREATE TRIGGER session_ends AFTER UPDATE OF ended ON sessions
  WHEN old.ended = 0 AND new.ended = 1
  BEGIN UPDATE live SET total = total - 1; END;
CREATE TRIGGER session_vanishes AFTER DELETE ON sessions WHEN old.ended = 0
  BEGIN UPDATE live SET total = total - 1; END;
CREATE INDEX sessions_expiry ON sessions (expires_at);
CREATE TABLE backends (
  session TEXT NOT NULL,
  server TEXT NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (session, server)
) STRICT, WITHOUT ROWID;
CREATE TABLE claims (
  session TEXT NOT NULL,
  server TEXT NOT NULL,
  claimant TEXT NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (session, server)
) STRICT, WITHOUT ROWID;
`;

const STATEMENTS = {
  begin: "BEGIN IMMEDIATE",
  commit: "COMMIT",
  rollback: "ROLLBACK",
  dataVersion: "PRAGMA data_version",
  session: "SELECT * FROM sessions WHERE id = ?",
  known: "SELECT 1 FROM sessions WHERE id = ?",
  live: "SELECT total AS n FROM live",
  expired:
    "SELECT count(*) AS n FROM sessions WHERE ended = 0 AND expires_at <= ?",
  liveOf:
    "SELECT count(*) AS n FROM sessions WHERE ended = 0 AND identity = ? AND expires_at > ?",
  expiryOfLive: "SELECT expires_at FROM sessions WHERE id = ? AND ended = 0",
  insert: "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)",
  touch:
    "UPDATE sessions SET touched_at = max(touched_at, ?) WHERE id = ? AND ended = 0",
  end: `INSERT INTO sessions VALUES (?, '', 0, 0, ?, 1, x'')
    ON CONFLICT (id) DO UPDATE SET ended = 1, data = x'',
      expires_at = max(expires_at, excluded.expires_at)`,
  idle:
    "SELECT id, expires_at FROM sessions WHERE ended = 0 AND touched_at < ? AND expires_at >= ? LIMIT 200",
  over: "SELECT id FROM sessions WHERE expires_at < ? LIMIT 200",
  remove: "DELETE FROM sessions WHERE id = ?",
  backend: "SELECT data FROM backends WHERE session = ? AND server = ?",
  backends: "SELECT * FROM backends WHERE session = ?",
  insertBackend: "INSERT OR REPLACE INTO backends VALUES (?, ?, ?)",
  removeBackends: "DELETE FROM backends WHERE session = ?",
  forget: "DELETE FROM backends WHERE session = ? AND server = ? AND data = ?",
  claim: `INSERT INTO claims VALUES (?, ?, ?, ?)
    ON CONFLICT (session, server) DO UPDATE SET
      claimant = excluded.claimant, expires_at = excluded.expires_at
    WHERE claimant = excluded.claimant OR expires_at <= ?`,
  release:
    "DELETE FROM claims WHERE session = ? AND server = ? AND claimant = ?",
  removeClaims: "DELETE FROM claims WHERE session = ?",
} as const;

type Row = Readonly<Record<string, unknown>>;
type Value = string | number | Uint8Array;

/** Keeps sessions in a SQLite file. */
export class SqliteStore implements SessionStore {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<keyof typeof STATEMENTS, StatementSync>();
  #dataVersion: unknown;
  #revision = 0;

  private constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
    for (const [name, sql] of Object.entries(STATEMENTS)) {
      this.#prepared.set(
        name as keyof typeof STATEMENTS,
        database.prepare(sql),
      );
    }
  }

  /**
   * Opens the store, or makes it, mode 0600.
   *
   * @param stateDir The state directory; made, mode 0700, where it is missing.
   * @throws Error that names the remedy where the file cannot be used.
   */
  static async open(stateDir: string): Promise<SqliteStore> {
    const path = `${stateDir}/${STORE_FILE}`;
    let database: DatabaseSync | undefined;
    try {
      await Deno.mkdir(stateDir, { recursive: true, mode: 0o700 });
      await createPrivately(path);
      database = new DatabaseSync(path);
      prepareFile(database);
      return new SqliteStore(path, database);
    } catch (cause) {
      database?.close();
      throw explained("open", path, cause);
    }
  }

  /** Adds a live session. */
  create(
    session: StoredSession,
    limits: SessionLimits,
  ): Promise<CreateOutcome> {
    return this.#write(() => {
      const { id, identity, createdAt } = session;
      if (this.#row("known", id) !== undefined) return "exists";
      const total = this.#number("live") - this.#number("expired", createdAt);
      if (total >= limits.total) return "too many";
      if (
        identity !== "" &&
        this.#number("liveOf", identity, createdAt) >= limits.perIdentity
      ) return "too many of identity";
      this.#do(
        "insert",
        id,
        identity,
        createdAt,
        session.touchedAt,
        session.expiresAt,
        session.ended ? 1 : 0,
        session.data,
      );
      return "created";
    });
  }

  /** Reads a session. */
  get(id: string): Promise<StoredSession | undefined> {
    return this.#run(() => {
      const row = this.#row("session", id);
      return row === undefined ? undefined : sessionOf(row);
    });
  }

  /** Records activity. */
  touch(id: string, at: number): Promise<void> {
    return this.#run(() => {
      this.#do("touch", at, id);
    });
  }

  /** Ends a session and leaves a tombstone. */
  end(id: string, expiresAt: number): Promise<StoredBackend[]> {
    return this.#write(() => this.#end(id, expiresAt));
  }

  #end(id: string, expiresAt: number): StoredBackend[] {
    this.#do("end", id, expiresAt);
    return this.#takeBackends(id);
  }

  #takeBackends(id: string): StoredBackend[] {
    const open = this.#rows("backends", id).map(backendOf);
    this.#do("removeBackends", id);
    this.#do("removeClaims", id);
    return open;
  }

  /** Reads a backend session. */
  getBackend(id: string, server: string): Promise<Uint8Array | undefined> {
    return this.#run(() => this.#backend(id, server));
  }

  #backend(id: string, server: string): Uint8Array | undefined {
    const row = this.#row("backend", id, server);
    return row === undefined ? undefined : row.data as Uint8Array;
  }

  /** Reads a backend session or takes the right to open it. */
  claim(
    id: string,
    server: string,
    claimant: string,
    now: number,
    leaseMs: number,
  ): Promise<ClaimOutcome> {
    return this.#transact(() => {
      const expiry = this.#row("expiryOfLive", id)?.expires_at;
      if (expiry === undefined || Number(expiry) <= now) {
        return { kind: "ended" };
      }
      const data = this.#backend(id, server);
      if (data !== undefined) return { kind: "open", data };
      const taken = this.#do(
        "claim",
        id,
        server,
        claimant,
        now + leaseMs,
        now,
      );
      return { kind: taken > 0 ? "claimed" : "busy" };
    });
  }

  /** Stores the backend session that was opened. */
  fulfil(
    id: string,
    server: string,
    claimant: string,
    data: Uint8Array,
  ): Promise<boolean> {
    // Ending a session removes its claims, so the claim alone decides.
    return this.#write(() => {
      if (this.#do("release", id, server, claimant) === 0) return false;
      this.#do("insertBackend", id, server, data);
      return true;
    });
  }

  /** Gives a claim up. */
  release(id: string, server: string, claimant: string): Promise<void> {
    return this.#run(() => {
      this.#do("release", id, server, claimant);
    });
  }

  /** Forgets a backend session if it is still this one. */
  forget(id: string, server: string, data: Uint8Array): Promise<boolean> {
    return this.#write(() => this.#do("forget", id, server, data) > 0);
  }

  /** Backend sessions open for a client session. */
  backends(id: string): Promise<StoredBackend[]> {
    return this.#run(() => this.#rows("backends", id).map(backendOf));
  }

  /** Ends what is idle and removes what is over. */
  async sweep(now: number, idleBefore: number): Promise<StoredBackend[]> {
    const open: StoredBackend[] = [];
    for (;;) {
      const batch = await this.#write(() => this.#sweep(now, idleBefore));
      open.push(...batch.open);
      if (batch.swept === 0) return open;
      // Requests of this process, and writes of others, go first.
      await new Promise((resolve) => setTimeout(resolve));
    }
  }

  #sweep(
    now: number,
    idleBefore: number,
  ): { readonly swept: number; readonly open: StoredBackend[] } {
    const over = this.#rows("over", now).map((row) => String(row.id));
    const idle = this.#rows("idle", idleBefore, now);
    const open = over.flatMap((id) => {
      this.#do("remove", id);
      return this.#takeBackends(id);
    });
    for (const row of idle) {
      open.push(...this.#end(String(row.id), Number(row.expires_at)));
    }
    return { swept: over.length + idle.length, open };
  }

  /** Number of live sessions. */
  count(): Promise<number> {
    return this.#run(() => this.#number("live"));
  }

  /** Changes with every write, of this connection or another. */
  revision(): number {
    // Differs from the last one exactly when another connection committed.
    const dataVersion = this.#row("dataVersion")?.data_version;
    if (dataVersion !== this.#dataVersion) {
      this.#dataVersion = dataVersion;
      this.#revision++;
    }
    return this.#revision;
  }

  /** Closes the file. */
  close(): Promise<void> {
    return this.#run(() => {
      if (this.#database.isOpen) this.#database.close();
    });
  }

  /** Runs a change that readers of this same connection must notice as well. */
  #write<T>(work: () => T): Promise<T> {
    return this.#transact(() => {
      this.#revision++;
      return work();
    });
  }

  /** IMMEDIATE: whoever reads in order to write holds the lock from the start. */
  #transact<T>(work: () => T): Promise<T> {
    return this.#run(() => {
      this.#do("begin");
      try {
        const result = work();
        this.#do("commit");
        return result;
      } catch (error) {
        if (this.#database.isTransaction) this.#do("rollback");
        throw error;
      }
    });
  }

  /** Turns what SQLite throws into rejections. */
  #run<T>(work: () => T): Promise<T> {
    return Promise.try(work).catch((cause) => {
      throw explained("use", this.#path, cause);
    });
  }

  #row(name: keyof typeof STATEMENTS, ...values: Value[]): Row | undefined {
    return this.#statement(name).get(...values);
  }

  #rows(name: keyof typeof STATEMENTS, ...values: Value[]): Row[] {
    return this.#statement(name).all(...values);
  }

  #number(name: keyof typeof STATEMENTS, ...values: Value[]): number {
    return Number(this.#row(name, ...values)?.n);
  }

  #do(name: keyof typeof STATEMENTS, ...values: Value[]): number {
    return Number(this.#statement(name).run(...values).changes);
  }

  #statement(name: keyof typeof STATEMENTS): StatementSync {
    const statement = this.#prepared.get(name);
    if (statement === undefined) throw new Error(`No statement ${name}`);
    return statement;
  }
}

/** Makes the file with its mode before SQLite would make it with another. */
async function createPrivately(path: string): Promise<void> {
  const file = await Deno.open(path, {
    read: true,
    write: true,
    create: true,
    mode: 0o600,
  });
  file.close();
}

function prepareFile(database: DatabaseSync): void {
  // First of all: switching to WAL waits for other processes too.
  database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
  database.exec("PRAGMA journal_mode = WAL");
  database.exec("PRAGMA synchronous = NORMAL");
  database.exec("BEGIN IMMEDIATE");
  const found = Number(
    database.prepare("PRAGMA user_version").get()?.user_version,
  );
  if (found > SCHEMA) {
    throw new NewerSchema(
      `its schema is ${found}, this program knows ${SCHEMA}`,
    );
  }
  if (found === 0) database.exec(TABLES);
  database.exec(`PRAGMA user_version = ${SCHEMA}`);
  database.exec("COMMIT");
  const check = database.prepare("PRAGMA quick_check(1)").get()?.quick_check;
  if (check !== "ok") throw new Error(`database disk image is malformed`);
}

class NewerSchema extends Error {}

/** Says what is to be done about a failure of SQLite. */
function explained(action: string, path: string, cause: unknown): Error {
  const state = cause instanceof Error ? cause.message : String(cause);
  return new Error(
    `Cannot ${action} session store ${path}: ${state}${remedyFor(cause)}`,
    { cause },
  );
}

function remedyFor(cause: unknown): string {
  if (cause instanceof NewerSchema) {
    return "; run the newer version again, or move the file away: clients then initialise anew";
  }
  // SQLite's own words for SQLITE_NOTADB and SQLITE_CORRUPT: no code is given.
  if (/not a database|malformed/.test(String(cause))) {
    return "; move the file away (with its -wal and -shm) and restart: clients then initialise anew";
  }
  if (/locked|busy/.test(String(cause))) {
    return `; another process kept it for more than ${BUSY_TIMEOUT_MS} ms`;
  }
  if (
    /readonly|unable to open|Permission denied|NotCapable/i.test(String(cause))
  ) {
    return "; the state directory must be writable by this program";
  }
  return "";
}

function sessionOf(row: Row): StoredSession {
  return {
    id: String(row.id),
    identity: String(row.identity),
    createdAt: Number(row.created_at),
    touchedAt: Number(row.touched_at),
    expiresAt: Number(row.expires_at),
    ended: row.ended === 1,
    data: row.data as Uint8Array,
  };
}

function backendOf(row: Row): StoredBackend {
  return {
    session: String(row.session),
    server: String(row.server),
    data: row.data as Uint8Array,
  };
}
