/**
 * The session store: what router and broker remember together about client
 * sessions and the backend sessions opened for them. Stores keep opaque,
 * already sealed bytes; meaning and encryption are `sessions.ts`'s business.
 * Every implementation passes `store_contract.ts`.
 *
 * @module
 */

/** A client session as it is stored. */
export interface StoredSession {
  /** Random id of the session (not the token). */
  readonly id: string;
  /** Hash of issuer and subject, or "" for an anonymous session. */
  readonly identity: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Last known activity, milliseconds since the epoch; at most a minute old. */
  readonly touchedAt: number;
  /** Absolute end, milliseconds since the epoch. */
  readonly expiresAt: number;
  /** True once it ended (DELETE, or idle too long): a tombstone. */
  readonly ended: boolean;
  /**
   * True where it may give way to a new session. Activity, a backend session
   * and a note each end that for good.
   */
  readonly expendable: boolean;
  /** Sealed details. */
  readonly data: Uint8Array;
}

/** Limits that {@linkcode SessionStore.create} keeps. */
export interface SessionLimits {
  /** Live sessions in all. */
  readonly total: number;
  /** Live sessions of one identity; anonymous sessions have no such limit. */
  readonly perIdentity: number;
  /**
   * Milliseconds since the epoch: where the total is reached, the oldest
   * expendable session made before this is removed, as if it had never been.
   * None is where this is absent.
   */
  readonly expendableBefore?: number;
}

/** Outcome of creating a session; `exists` for an id known already, also ended. */
export type CreateOutcome =
  | "created"
  | "exists"
  | "too many"
  | "too many of identity";

/** A sealed backend session with the server it belongs to. */
export interface StoredBackend {
  /** Id of the client session that it was opened for. */
  readonly session: string;
  /** Server key: name and fingerprint. */
  readonly server: string;
  /** Sealed backend session. */
  readonly data: Uint8Array;
}

/** Names a note of a session: there is at most one of each. */
export interface NoteName {
  /** What it is about, in letters and spaces. */
  readonly kind: string;
  /** Which of its kind; tells a reader of the store nothing. */
  readonly key: string;
}

/** A sealed note: what is to be remembered for as long as a session lasts. */
export interface StoredNote extends NoteName {
  /** Sealed content. */
  readonly data: Uint8Array;
}

/** Outcome of changing a note; `ended` also where the session is not known. */
export type NoteOutcome = "set" | "ended" | "too many";

/** Outcome of asking for a backend session that may have to be opened. */
export type ClaimOutcome =
  /** There is one. */
  | { readonly kind: "open"; readonly data: Uint8Array }
  /** There is none and it is now ours to open, until the lease runs out. */
  | { readonly kind: "claimed" }
  /** Another claimant is opening it. */
  | { readonly kind: "busy" }
  /** The client session has ended, or the store does not know it. */
  | { readonly kind: "ended" };

/**
 * Shared memory of sessions. All times are milliseconds since the epoch and
 * come from the caller. Methods reject with the cause where the store cannot
 * be reached; callers answer that with `store unavailable`.
 */
export interface SessionStore {
  /**
   * Adds a live session, unless its id is known already or it would break a
   * limit. Sessions expired by `createdAt` do not count. Where it would break
   * the total, expendable ones give way first.
   */
  create(
    session: StoredSession,
    limits: SessionLimits,
  ): Promise<CreateOutcome>;

  /** Reads a session, live or ended; undefined where it is not known. */
  get(id: string): Promise<StoredSession | undefined>;

  /** Records activity of a live session; does nothing for others. */
  touch(id: string, at: number): Promise<void>;

  /**
   * Ends a session and leaves a tombstone until `expiresAt`, also for an id
   * that was not known. Returns the backend sessions that were open and
   * removes them, claims and notes too. Ending twice is no error. A session keeps its
   * own `expiresAt` where that is later.
   */
  end(id: string, expiresAt: number): Promise<StoredBackend[]>;

  /** Reads a backend session. */
  getBackend(id: string, server: string): Promise<Uint8Array | undefined>;

  /**
   * Reads a backend session or takes the right to open it. Of any number of
   * callers, in any process, one gets `claimed` until it fulfils or releases
   * the claim or `now + leaseMs` passes. Whoever holds the claim gets it again
   * and thereby renews it.
   */
  claim(
    id: string,
    server: string,
    claimant: string,
    now: number,
    leaseMs: number,
  ): Promise<ClaimOutcome>;

  /**
   * Stores the backend session that `claimant` opened and gives the claim up.
   * False where the claim was lost or the client session ended meanwhile: the
   * caller then closes what it opened. A claim whose lease ran out is lost only
   * once somebody else took it.
   */
  fulfil(
    id: string,
    server: string,
    claimant: string,
    data: Uint8Array,
  ): Promise<boolean>;

  /** Gives a claim up without a backend session. */
  release(id: string, server: string, claimant: string): Promise<void>;

  /**
   * Forgets a backend session if it is still this one, byte for byte, so that
   * a late 404 never evicts a newer session. True where it was removed.
   */
  forget(id: string, server: string, data: Uint8Array): Promise<boolean>;

  /** Backend sessions open for a client session. */
  backends(id: string): Promise<StoredBackend[]>;

  /**
   * Writes a note of a live session, in place of the one of that name, or
   * removes it where `data` is undefined. A new one is `too many` where there
   * are `limit` of its kind.
   */
  setNote(
    id: string,
    name: NoteName,
    data: Uint8Array | undefined,
    limit: number,
  ): Promise<NoteOutcome>;

  /** Reads all notes of a session, in no order. */
  notes(id: string): Promise<StoredNote[]>;

  /**
   * Ends live sessions idle since before `idleBefore` and removes tombstones
   * and sessions whose `expiresAt` is before `now`. Returns the backend
   * sessions that were open in those it ended or removed.
   */
  sweep(now: number, idleBefore: number): Promise<StoredBackend[]>;

  /** Number of live sessions, for metrics and limits. */
  count(): Promise<number>;

  /**
   * Changes whenever another process may have changed the store; equal values
   * mean that what was read before still holds. Cheap enough for every
   * request. Undefined where the store cannot tell: then nothing is cached.
   * Activity, claims and notes of this very store need not change it.
   */
  revision(): number | undefined;

  /** Releases files and connections. */
  close(): Promise<void>;
}
