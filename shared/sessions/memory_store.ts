/**
 * The session store in memory: for tests, and for a gateway that is a single
 * process and may forget its sessions when it stops.
 *
 * @module
 */

import { sameBytes } from "./_bytes.ts";
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

interface Claim {
  readonly claimant: string;
  readonly expiresAt: number;
}

/** What is known of one session besides its row. */
interface Room {
  session: StoredSession;
  readonly backends: Map<string, Uint8Array>;
  readonly claims: Map<string, Claim>;
  readonly notes: Map<string, StoredNote>;
}

/** Keeps sessions in this process. */
export class MemoryStore implements SessionStore {
  readonly #rooms = new Map<string, Room>();
  #revision = 0;

  /** Adds a live session. */
  create(
    session: StoredSession,
    limits: SessionLimits,
  ): Promise<CreateOutcome> {
    return Promise.resolve(this.#create(session, limits));
  }

  #create(session: StoredSession, limits: SessionLimits): CreateOutcome {
    if (this.#rooms.has(session.id)) return "exists";
    let total = 0;
    let ofIdentity = 0;
    const expendable: StoredSession[] = [];
    const { expendableBefore = 0 } = limits;
    for (const { session: other } of this.#rooms.values()) {
      if (other.ended || other.expiresAt <= session.createdAt) continue;
      total++;
      if (other.identity === session.identity) ofIdentity++;
      if (other.expendable && other.createdAt < expendableBefore) {
        expendable.push(other);
      }
    }
    if (session.identity !== "" && ofIdentity >= limits.perIdentity) {
      return "too many of identity";
    }
    expendable.sort((a, b) => b.createdAt - a.createdAt);
    for (; total >= limits.total; total--) {
      const oldest = expendable.pop();
      if (oldest === undefined) return "too many";
      this.#rooms.delete(oldest.id);
      this.#revision++;
    }
    this.#rooms.set(session.id, {
      session: { ...session, data: session.data.slice() },
      backends: new Map(),
      claims: new Map(),
      notes: new Map(),
    });
    this.#revision++;
    return "created";
  }

  /** Reads a session. */
  get(id: string): Promise<StoredSession | undefined> {
    return Promise.resolve(this.#rooms.get(id)?.session);
  }

  /** Records activity. */
  touch(id: string, at: number): Promise<void> {
    const room = this.#live(id);
    if (room !== undefined) {
      const touchedAt = Math.max(at, room.session.touchedAt);
      room.session = { ...room.session, touchedAt, expendable: false };
    }
    return Promise.resolve();
  }

  /** Ends a session and leaves a tombstone. */
  end(id: string, expiresAt: number): Promise<StoredBackend[]> {
    return Promise.resolve(this.#end(id, expiresAt));
  }

  #end(id: string, expiresAt: number): StoredBackend[] {
    this.#revision++;
    const open = this.#backends(id);
    const session = this.#rooms.get(id)?.session ?? {
      id,
      identity: "",
      createdAt: 0,
      touchedAt: 0,
      expiresAt,
    };
    this.#rooms.set(id, {
      session: {
        ...session,
        expiresAt: Math.max(expiresAt, session.expiresAt),
        ended: true,
        expendable: false,
        data: new Uint8Array(),
      },
      backends: new Map(),
      claims: new Map(),
      notes: new Map(),
    });
    return open;
  }

  /** Reads a backend session. */
  getBackend(id: string, server: string): Promise<Uint8Array | undefined> {
    return Promise.resolve(this.#rooms.get(id)?.backends.get(server));
  }

  /** Reads a backend session or takes the right to open it. */
  claim(
    id: string,
    server: string,
    claimant: string,
    now: number,
    leaseMs: number,
  ): Promise<ClaimOutcome> {
    return Promise.resolve(
      this.#claim(id, server, { claimant, expiresAt: now + leaseMs }, now),
    );
  }

  #claim(id: string, server: string, claim: Claim, now: number): ClaimOutcome {
    const room = this.#live(id);
    if (room === undefined || room.session.expiresAt <= now) {
      return { kind: "ended" };
    }
    const data = room.backends.get(server);
    if (data !== undefined) return { kind: "open", data };
    const held = room.claims.get(server);
    if (
      held !== undefined && held.claimant !== claim.claimant &&
      held.expiresAt > now
    ) return { kind: "busy" };
    room.claims.set(server, claim);
    return { kind: "claimed" };
  }

  /** Stores the backend session that was opened. */
  fulfil(
    id: string,
    server: string,
    claimant: string,
    data: Uint8Array,
  ): Promise<boolean> {
    const room = this.#live(id);
    if (room?.claims.get(server)?.claimant !== claimant) {
      return Promise.resolve(false);
    }
    room.session = { ...room.session, expendable: false };
    room.claims.delete(server);
    room.backends.set(server, data.slice());
    this.#revision++;
    return Promise.resolve(true);
  }

  /** Gives a claim up. */
  release(id: string, server: string, claimant: string): Promise<void> {
    const claims = this.#rooms.get(id)?.claims;
    if (claims?.get(server)?.claimant === claimant) claims.delete(server);
    return Promise.resolve();
  }

  /** Forgets a backend session if it is still this one. */
  forget(id: string, server: string, data: Uint8Array): Promise<boolean> {
    const room = this.#rooms.get(id);
    const found = room?.backends.get(server);
    if (found === undefined || !sameBytes(found, data)) {
      return Promise.resolve(false);
    }
    room?.backends.delete(server);
    this.#revision++;
    return Promise.resolve(true);
  }

  /** Backend sessions open for a client session. */
  backends(id: string): Promise<StoredBackend[]> {
    return Promise.resolve(this.#backends(id));
  }

  #backends(id: string): StoredBackend[] {
    const backends = this.#rooms.get(id)?.backends ?? new Map();
    return [...backends].map(([server, data]) => ({
      session: id,
      server,
      data,
    }));
  }

  /** Writes or removes a note. */
  setNote(
    id: string,
    name: NoteName,
    data: Uint8Array | undefined,
    limit: number,
  ): Promise<NoteOutcome> {
    return Promise.resolve(this.#setNote(id, name, data, limit));
  }

  #setNote(
    id: string,
    { kind, key }: NoteName,
    data: Uint8Array | undefined,
    limit: number,
  ): NoteOutcome {
    const room = this.#live(id);
    if (room === undefined) return "ended";
    const name = JSON.stringify([kind, key]);
    if (data === undefined) {
      room.notes.delete(name);
      return "set";
    }
    const others = [...room.notes.values()].filter((each) =>
      each.kind === kind
    );
    if (!room.notes.has(name) && others.length >= limit) return "too many";
    room.session = { ...room.session, expendable: false };
    room.notes.set(name, { kind, key, data: data.slice() });
    return "set";
  }

  /** Reads all notes of a session. */
  notes(id: string): Promise<StoredNote[]> {
    const notes = this.#rooms.get(id)?.notes ?? new Map();
    return Promise.resolve([...notes.values()]);
  }

  /** Ends what is idle and removes what is over. */
  sweep(now: number, idleBefore: number): Promise<StoredBackend[]> {
    const open: StoredBackend[] = [];
    for (const [id, { session }] of this.#rooms) {
      if (session.expiresAt < now) {
        open.push(...this.#backends(id));
        this.#rooms.delete(id);
        this.#revision++;
      } else if (!session.ended && session.touchedAt < idleBefore) {
        open.push(...this.#end(id, session.expiresAt));
      }
    }
    return Promise.resolve(open);
  }

  /** Number of live sessions. */
  count(): Promise<number> {
    let live = 0;
    for (const { session } of this.#rooms.values()) if (!session.ended) live++;
    return Promise.resolve(live);
  }

  /** Changes with every write. */
  revision(): number {
    return this.#revision;
  }

  /** Forgets everything. */
  close(): Promise<void> {
    this.#rooms.clear();
    return Promise.resolve();
  }

  #live(id: string): Room | undefined {
    const room = this.#rooms.get(id);
    return room?.session.ended === false ? room : undefined;
  }
}
