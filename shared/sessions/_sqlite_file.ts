/**
 * A SQLite file that several processes share by its path, and go on sharing
 * when it is removed or replaced under them: SQLite itself stays with the file
 * that it opened, which nobody else finds any more.
 *
 * | found at the path   | what happens                                      |
 * | ------------------- | ------------------------------------------------- |
 * | the file we opened  | it is used                                        |
 * | another file        | that one is opened instead                        |
 * | no file             | a new one is made, by the first that notices      |
 * | no directory either | an error until there is one: keys went with it    |
 *
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";

/** What a {@linkcode SqliteFile} is opened with. */
export interface SqliteFileOptions<Name extends string> {
  /** Where it is; its lock file, `PATH.lock`, is beside it. */
  readonly path: string;
  /** Brings a file, new or not, to what the statements need. */
  readonly prepare: (database: DatabaseSync) => void;
  /** SQL of each statement. */
  readonly statements: Readonly<Record<Name, string>>;
  /** Told when another file, new or not, took the place of ours. */
  readonly onReplaced: () => void;
}

/** Which file a path leads to; undefined where there is none. */
type Identity = string | undefined;

interface Opened<Name extends string> {
  readonly database: DatabaseSync;
  readonly prepared: ReadonlyMap<Name, StatementSync>;
  /** By what is behind the path; by nothing, the database itself. */
  readonly identities: ReadonlyMap<string, Identity>;
}

/** SQLite's files beside the one that holds the database. */
const COMPANIONS = ["-wal", "-shm"];
/** Between two attempts to open what does not let itself be opened. */
const RETRY_MS = 250;

/** A file with its prepared statements. */
export class SqliteFile<Name extends string> {
  readonly #options: SqliteFileOptions<Name>;
  #opened: Opened<Name>;
  /** Why the file at the path cannot be opened, and when that was tried. */
  #failure: { readonly cause: unknown; readonly at: number } | undefined;
  #closed = false;

  private constructor(
    options: SqliteFileOptions<Name>,
    opened: Opened<Name>,
  ) {
    this.#options = options;
    this.#opened = opened;
  }

  /** Opens a file, or makes it, mode 0600. Throws what SQLite throws. */
  static async open<Name extends string>(
    options: SqliteFileOptions<Name>,
  ): Promise<SqliteFile<Name>> {
    using lock = await Deno.open(lockOf(options.path), LOCK);
    await lock.lock(true);
    return new SqliteFile(options, open(options, new Map()));
  }

  /**
   * Opens what is at the path now, where that is not what we have open. To be
   * called before each use: it takes a microsecond.
   */
  follow(): void {
    if (this.#closed) throw new Error("it is closed");
    const failure = this.#failure;
    if (failure === undefined) {
      const ours = this.#opened.identities.get("");
      if (identityOf(this.#options.path) === ours) return;
    } else if (performance.now() - failure.at < RETRY_MS) {
      throw failure.cause;
    }
    this.#reopen();
  }

  #reopen(): void {
    const { path, onReplaced } = this.#options;
    const { database, identities } = this.#opened;
    using lock = Deno.openSync(lockOf(path), LOCK);
    // Without waiting: all requests would wait with us.
    if (!lock.tryLockSync(true)) throw new Error("another process opens it");
    try {
      if (database.isOpen) database.close();
      this.#opened = open(this.#options, identities);
      this.#failure = undefined;
    } catch (cause) {
      this.#failure = { cause, at: performance.now() };
      throw cause;
    }
    onReplaced();
  }

  /** A statement of the file that was opened last. */
  statement(name: Name): StatementSync {
    const statement = this.#opened.prepared.get(name);
    if (statement === undefined) throw new Error(`No statement ${name}`);
    return statement;
  }

  /** Whether a transaction is under way. */
  get isTransaction(): boolean {
    return this.#opened.database.isTransaction;
  }

  /** Closes it, for good. */
  close(): void {
    this.#closed = true;
    if (this.#opened.database.isOpen) this.#opened.database.close();
  }
}

const LOCK: Deno.OpenOptions = {
  read: true,
  write: true,
  create: true,
  mode: 0o600,
};

function lockOf(path: string): string {
  return `${path}.lock`;
}

/** Opens a file; only who holds the lock may. */
function open<Name extends string>(
  { path, prepare, statements }: SqliteFileOptions<Name>,
  former: ReadonlyMap<string, Identity>,
): Opened<Name> {
  const found = identityOf(path);
  const another = found !== former.get("");
  for (const suffix of COMPANIONS) {
    // Those of another database would be taken for this one's, and ruin it.
    const companion = identityOf(path + suffix);
    const stray = found === undefined ||
      another && companion === former.get(suffix);
    if (companion !== undefined && stray) Deno.removeSync(path + suffix);
  }
  // With its mode, before SQLite would make it with another. One that is there
  // is left alone: closing a file takes SQLite's locks on it away.
  if (found === undefined) Deno.openSync(path, LOCK).close();
  // Before the database is opened: what comes after is noticed next time.
  const identities = new Map([["", identityOf(path)]]);
  const database = new DatabaseSync(path);
  try {
    prepare(database);
    const prepared = new Map<Name, StatementSync>();
    for (const name of Object.keys(statements) as Name[]) {
      prepared.set(name, database.prepare(statements[name]));
    }
    for (const suffix of COMPANIONS) {
      identities.set(suffix, identityOf(path + suffix));
    }
    return { database, prepared, identities };
  } catch (error) {
    database.close();
    throw error;
  }
}

function identityOf(path: string): Identity {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev} ${ino}`;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
