/**
 * The session store in a SQLite file: the default, shared by the programs of
 * one machine through their state directory, and still there after a restart.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import type { Logger } from "../log.ts";
import { SqliteFile } from "./_sqlite_file.ts";
import type {
  ClaimOutcome,
  CreateOutcome,
  NoteName,
  NoteOutcome,
  SessionLimits,
  SessionStore,
  StoredBackend,
  StoredNote,
  StoredSession,
} from "./store.ts";
import { errorText } from "../error_text.ts";

/** Name of the database file in the state directory. */
export const STORE_FILE = "sessions.db";

/**
 * How long a statement waits for another process's write, which takes
 * microseconds: longer means that the process hangs, and we must not.
 */
const BUSY_TIMEOUT_MS = 250;

/**
 * What makes each schema out of the one before, the first out of nothing. A
 * program of a former schema may have the file open meanwhile: what it reads
 * and writes stays as it is, and triggers do what it does not know of.
 */
const SCHEMAS = [
  `
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
`,
  `
CREATE TABLE notes (
  session TEXT NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (session, kind, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE expendable (
  session TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX expendable_age ON expendable (created_at);
CREATE TRIGGER session_ends_for_good AFTER UPDATE OF ended ON sessions
  WHEN new.ended = 1 BEGIN
    DELETE FROM notes WHERE session = old.id;
    DELETE FROM expendable WHERE session = old.id;
  END;
CREATE TRIGGER session_vanishes_for_good AFTER DELETE ON sessions
  BEGIN
    DELETE FROM notes WHERE session = old.id;
    DELETE FROM expendable WHERE session = old.id;
  END;
CREATE TRIGGER session_is_touched AFTER UPDATE OF touched_at ON sessions
  BEGIN DELETE FROM expendable WHERE session = old.id; END;
CREATE TRIGGER backend_opens AFTER INSERT ON backends
  BEGIN DELETE FROM expendable WHERE session = new.session; END;
CREATE TRIGGER note_is_written AFTER INSERT ON notes
  BEGIN DELETE FROM expendable WHERE session = new.session; END;
`,
] as const;

/** Schema that this program reads and writes, kept in `user_version`. */
const SCHEMA = SCHEMAS.length;

const STATEMENTS = {
  begin: "BEGIN IMMEDIATE",
  commit: "COMMIT",
  rollback: "ROLLBACK",
  dataVersion: "PRAGMA data_version",
  session: `SELECT *,
      EXISTS (SELECT 1 FROM expendable WHERE session = id) AS expendable
    FROM sessions WHERE id = ?`,
  known: "SELECT 1 FROM sessions WHERE id = ?",
  live: "SELECT total AS n FROM live",
  expired:
    "SELECT count(*) AS n FROM sessions WHERE ended = 0 AND expires_at <= ?",
  liveOf:
    "SELECT count(*) AS n FROM sessions WHERE ended = 0 AND identity = ? AND expires_at > ?",
  expiryOfLive: "SELECT expires_at FROM sessions WHERE id = ? AND ended = 0",
  insert: "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)",
  expendable: "INSERT INTO expendable VALUES (?, ?)",
  oldestExpendable: `SELECT session FROM expendable WHERE created_at < ?
    ORDER BY created_at LIMIT 1`,
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
  note: "SELECT 1 FROM notes WHERE session = ? AND kind = ? AND key = ?",
  notes: "SELECT kind, key, data FROM notes WHERE session = ?",
  notesOfKind: "SELECT count(*) AS n FROM notes WHERE session = ? AND kind = ?",
  setNote: "INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?)",
  removeNote: "DELETE FROM notes WHERE session = ? AND kind = ? AND key = ?",
} as const;

type StatementName = keyof typeof STATEMENTS;
type Row = Readonly<Record<string, unknown>>;
type Value = string | number | Uint8Array;

/** What a {@linkcode SqliteStore} may be opened with. */
export interface SqliteStoreOptions {
  /** Told when the file was removed or replaced. */
  readonly log?: Logger;
  /**
   * Calls back when the turn of the event loop is over. Where it is given,
   * what other processes write is looked for once a turn: all requests that
   * have come by then were sent before. Each look is a dozen system calls.
   */
  readonly endOfTurn?: (callback: () => void) => void;
}

/**
 * Keeps sessions in a SQLite file.
 *
 * Where that file is removed or replaced, the store goes on with what is at
 * the path now, a new file if there is none, rather than fail until a restart:
 * the path is all that two processes have in common, so both come together
 * there again, while refusing would need somebody to restart both. Sessions
 * are taken up again from their tokens. What is lost is who logged out, which
 * no process could know that starts after such an accident either.
 */
export class SqliteStore implements SessionStore {
  readonly #path: string;
  readonly #file: SqliteFile<StatementName>;
  /** Of the file that is open; undefined where that was not asked for yet. */
  #dataVersion: unknown;
  #revision = 0;
  readonly #endOfTurn: SqliteStoreOptions["endOfTurn"];
  /** Whether this turn's look at what others wrote has been taken. */
  #looked = false;

  private constructor(
    path: string,
    file: SqliteFile<StatementName>,
    endOfTurn: SqliteStoreOptions["endOfTurn"],
  ) {
    this.#path = path;
    this.#file = file;
    this.#endOfTurn = endOfTurn;
  }

  /**
   * Opens the store, or makes it, mode 0600.
   *
   * @param stateDir The state directory; made, mode 0700, where it is missing.
   * @param options Who is told.
   * @throws Error that names the remedy where the file cannot be used.
   */
  static async open(
    stateDir: string,
    options: SqliteStoreOptions = {},
  ): Promise<SqliteStore> {
    const path = `${stateDir}/${STORE_FILE}`;
    try {
      await Deno.mkdir(stateDir, { recursive: true, mode: 0o700 });
      const file = await SqliteFile.open({
        path,
        prepare: prepareFile,
        statements: STATEMENTS,
        onReplaced: () => {
          store.#revision++;
          store.#dataVersion = undefined;
          options.log?.error(
            "session store file was removed or replaced; sessions that were ended may be taken up again",
            { path },
          );
        },
      });
      const store = new SqliteStore(path, file, options.endOfTurn);
      return store;
    } catch (cause) {
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
      if (
        identity !== "" &&
        this.#number("liveOf", identity, createdAt) >= limits.perIdentity
      ) return "too many of identity";
      if (!this.#makeRoom(createdAt, limits)) return "too many";
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
      if (session.expendable) this.#do("expendable", id, createdAt);
      return "created";
    });
  }

  /** Sees to it that there is room for one more; false where there is none. */
  #makeRoom(now: number, limits: SessionLimits): boolean {
    for (;;) {
      const total = this.#number("live") - this.#number("expired", now);
      if (total < limits.total) return true;
      const oldest = this.#row(
        "oldestExpendable",
        limits.expendableBefore ?? 0,
      );
      if (oldest === undefined) return false;
      const id = String(oldest.session);
      this.#do("remove", id);
      this.#do("removeClaims", id);
    }
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

  /** Writes or removes a note. */
  setNote(
    id: string,
    { kind, key }: NoteName,
    data: Uint8Array | undefined,
    limit: number,
  ): Promise<NoteOutcome> {
    return this.#transact(() => {
      if (this.#row("expiryOfLive", id) === undefined) return "ended";
      if (data === undefined) {
        this.#do("removeNote", id, kind, key);
        return "set";
      }
      const full = this.#number("notesOfKind", id, kind) >= limit;
      if (full && this.#row("note", id, kind, key) === undefined) {
        return "too many";
      }
      this.#do("setNote", id, kind, key, data);
      return "set";
    });
  }

  /** Reads all notes of a session. */
  notes(id: string): Promise<StoredNote[]> {
    return this.#run(() => this.#rows("notes", id).map(noteOf));
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
    if (this.#looked) return this.#revision;
    this.#file.follow();
    // Differs from the last one exactly when another connection committed.
    const dataVersion = this.#row("dataVersion")?.data_version;
    if (dataVersion !== this.#dataVersion) {
      this.#dataVersion = dataVersion;
      this.#revision++;
    }
    if (this.#endOfTurn !== undefined) {
      this.#looked = true;
      this.#endOfTurn(() => this.#looked = false);
    }
    return this.#revision;
  }

  /** Closes the file. */
  close(): Promise<void> {
    return Promise.try(() => this.#file.close());
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
        if (this.#file.isTransaction) this.#do("rollback");
        throw error;
      }
    });
  }

  /** Turns what SQLite throws into rejections. */
  #run<T>(work: () => T): Promise<T> {
    return Promise.try(() => {
      this.#file.follow();
      return work();
    }).catch((cause) => {
      throw explained("use", this.#path, cause);
    });
  }

  #row(name: StatementName, ...values: Value[]): Row | undefined {
    return this.#file.statement(name).get(...values);
  }

  #rows(name: StatementName, ...values: Value[]): Row[] {
    return this.#file.statement(name).all(...values);
  }

  #number(name: StatementName, ...values: Value[]): number {
    return Number(this.#row(name, ...values)?.n);
  }

  #do(name: StatementName, ...values: Value[]): number {
    return Number(this.#file.statement(name).run(...values).changes);
  }
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
  for (const statements of SCHEMAS.slice(found)) database.exec(statements);
  database.exec(`PRAGMA user_version = ${SCHEMA}`);
  database.exec("COMMIT");
  const check = database.prepare("PRAGMA quick_check(1)").get()?.quick_check;
  if (check !== "ok") throw new Error(`database disk image is malformed`);
}

class NewerSchema extends Error {}

/** Says what is to be done about a failure of SQLite. */
function explained(action: string, path: string, cause: unknown): Error {
  const state = errorText(cause);
  return new Error(
    `Cannot ${action} session store ${path}: ${state}${remedyFor(cause)}`,
    { cause },
  );
}

function remedyFor(cause: unknown): string {
  if (cause instanceof NewerSchema) {
    return "; run the newer version again, or move the file away: sessions are taken up again, ended ones too";
  }
  if (cause instanceof Deno.errors.NotFound) {
    return "; the state directory is gone, and the signing key with it: restart router and broker";
  }
  // SQLite's own words for SQLITE_NOTADB and SQLITE_CORRUPT: no code is given.
  if (/not a database|malformed/.test(String(cause))) {
    return "; move the file away (with its -wal and -shm) and restart: sessions are taken up again, ended ones too";
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
    expendable: row.expendable === 1,
    data: row.data as Uint8Array,
  };
}

function noteOf(row: Row): StoredNote {
  return {
    kind: String(row.kind),
    key: String(row.key),
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
