/**
 * What every session store promises, as tests. A store's own test file calls
 * {@linkcode storeContract} with a way to make empty stores.
 *
 * @module
 */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import type { SessionStore, StoredSession } from "./store.ts";

/** An empty store under test. */
export interface StoreFixture extends AsyncDisposable {
  /**
   * Opens a connection to it, as another process would; the same store again
   * where it lives in one process. Closed when the fixture is disposed.
   */
  connect(): Promise<SessionStore>;
}

const HOUR = 3_600_000;
const START = 1_700_000_000_000;
const NO_LIMITS = { total: 1000, perIdentity: 1000 };
const NOTE = { kind: "color", key: "one" };

/** A fixture's connection, and another one to the same store. */
interface Stores {
  readonly store: SessionStore;
  readonly other: SessionStore;
}

interface Promised {
  readonly name: string;
  readonly run: (stores: Stores) => Promise<void>;
}

const PROMISES: readonly Promised[] = [
  {
    name: "get() reads what create() stored, on every connection",
    run: async ({ store, other }) => {
      assertEquals(await store.create(session("a"), NO_LIMITS), "created");
      assertEquals(plain(await other.get("a")), session("a"));
      assertEquals(await other.get("b"), undefined);
    },
  },
  {
    name: "create() leaves a session alone that is known already",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      const again = session("a", { identity: "thief" });
      assertEquals(await other.create(again, NO_LIMITS), "exists");
      assertEquals((await store.get("a"))?.identity, "me");
    },
  },
  {
    name: "create() does not bring an ended session back",
    run: async ({ store, other }) => {
      await store.end("a", START + HOUR);
      assertEquals(await other.create(session("a"), NO_LIMITS), "exists");
      assertEquals((await other.get("a"))?.ended, true);
    },
  },
  {
    name: "create() keeps the limit of live sessions in all",
    run: async ({ store, other }) => {
      const limits = { total: 2, perIdentity: 9 };
      for (const id of ["a", "b"]) await store.create(session(id), limits);
      assertEquals(await other.create(session("c"), limits), "too many");
      await store.end("a", START + HOUR);
      assertEquals(await other.create(session("c"), limits), "created");
    },
  },
  {
    name: "create() keeps the limit of one identity and lets others in",
    run: async ({ store, other }) => {
      const limits = { total: 9, perIdentity: 1 };
      await store.create(session("a"), limits);
      assertEquals(
        await other.create(session("b"), limits),
        "too many of identity",
      );
      const another = session("b", { identity: "you" });
      assertEquals(await other.create(another, limits), "created");
    },
  },
  {
    name: "create() limits anonymous sessions in all only",
    run: async ({ store }) => {
      const limits = { total: 2, perIdentity: 1 };
      const outcomes = [];
      for (const id of ["a", "b", "c"]) {
        outcomes.push(
          await store.create(session(id, { identity: "" }), limits),
        );
      }
      assertEquals(outcomes, ["created", "created", "too many"]);
    },
  },
  {
    name: "create() does not count sessions that are expired by then",
    run: async ({ store }) => {
      const limits = { total: 1, perIdentity: 1 };
      await store.create(session("a"), limits);
      const later = session("b", { createdAt: START + HOUR });
      assertEquals(await store.create(later, limits), "created");
    },
  },
  {
    name: "create() lets no more in than allowed, however many try at once",
    run: async ({ store, other }) => {
      const limits = { total: 5, perIdentity: 9 };
      const outcomes = await Promise.all(
        Array.from(
          { length: 40 },
          (_, i) => (i % 2 ? store : other).create(session(`s${i}`), limits),
        ),
      );
      assertEquals(outcomes.filter((each) => each === "created").length, 5);
      assertEquals(await store.count(), 5);
    },
  },
  {
    name: "create() makes room by removing the oldest expendable session",
    run: async ({ store, other }) => {
      const limits = { total: 3, perIdentity: 9, expendableBefore: START + 3 };
      const made = [["b", 1], ["a", 2], ["kept", 0]] as const;
      for (const [id, at] of made) {
        const expendable = id !== "kept";
        const each = session(id, { createdAt: START + at, expendable });
        assertEquals(await store.create(each, limits), "created");
        assertEquals((await other.get(id))?.expendable, expendable);
      }
      for (const id of ["c", "d"]) {
        assertEquals(await other.create(session(id), limits), "created");
        assertEquals(await store.count(), 3);
        if (id === "c") assertEquals((await store.get("a"))?.id, "a");
      }
      assertEquals(await store.create(session("e"), limits), "too many");
      // As if they had never been: a token takes such a session up again.
      assertEquals(await store.get("a"), undefined);
      assertEquals(await store.get("b"), undefined);
      assertEquals((await store.get("kept"))?.ended, false);
    },
  },
  {
    name: "create() spares expendable sessions made since, and without need",
    run: async ({ store, other }) => {
      const limits = { total: 1, perIdentity: 1, expendableBefore: START };
      await store.create(session("a", { expendable: true }), limits);
      const you = session("b", { identity: "you" });
      assertEquals(await other.create(you, limits), "too many");
      const later = { ...limits, expendableBefore: START + 1 };
      assertEquals(
        await other.create(session("b"), later),
        "too many of identity",
      );
      assertEquals(
        await other.create(you, { total: 1, perIdentity: 1 }),
        "too many",
      );
      assertEquals((await store.get("a"))?.ended, false);
      assertEquals(await other.create(you, later), "created");
    },
  },
  {
    name: "create() spares what was touched, has a backend session or a note",
    run: async ({ store, other }) => {
      const limits = { total: 4, perIdentity: 9, expendableBefore: START + 1 };
      for (const id of ["claimed", "touched", "opened", "noted"]) {
        await store.create(session(id, { expendable: true }), limits);
      }
      await claim(store, "claimed", "one", "x");
      await other.touch("touched", START);
      await open(other, "opened", "one", 1);
      await other.setNote("noted", NOTE, Uint8Array.of(1), 1);
      assertEquals(await store.create(session("a"), limits), "created");
      assertEquals(await store.create(session("b"), limits), "too many");
      assertEquals(await other.get("claimed"), undefined);
      for (const id of ["touched", "opened", "noted"]) {
        assertEquals((await other.get(id))?.expendable, false, id);
      }
    },
  },
  {
    name: "create() leaves nothing of what gave way",
    run: async ({ store, other }) => {
      const limits = { total: 1, perIdentity: 9, expendableBefore: START + 1 };
      await store.create(session("a", { expendable: true }), limits);
      await claim(store, "a", "one", "x");
      await other.create(session("b", { expendable: true }), limits);
      assertEquals(await claim(store, "a", "one", "x"), "ended");
      await store.create(session("a"), limits);
      assertEquals(
        await store.fulfil("a", "one", "x", Uint8Array.of(1)),
        false,
      );
    },
  },
  {
    name: "create() makes room for each of many at once, and no more",
    run: async ({ store, other }) => {
      const limits = { total: 9, perIdentity: 9, expendableBefore: START + 1 };
      for (let i = 0; i < 9; i++) {
        const expendable = i % 3 !== 0;
        await store.create(session(`s${i}`, { expendable }), limits);
      }
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, i) => {
          const each = session(`t${i}`, { identity: "you" });
          return (i % 2 ? store : other).create(each, limits);
        }),
      );
      assertEquals(outcomes.filter((each) => each === "created").length, 6);
      assertEquals(await store.count(), 9);
    },
  },
  {
    name: "touch() records activity and never sets it back",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await other.touch("a", START + 5);
      await store.touch("a", START + 3);
      assertEquals((await store.get("a"))?.touchedAt, START + 5);
    },
  },
  {
    name: "touch() does nothing for ended and unknown sessions",
    run: async ({ store }) => {
      await store.create(session("a"), NO_LIMITS);
      await store.end("a", START + HOUR);
      await store.touch("a", START + 5);
      await store.touch("b", START + 5);
      assertEquals((await store.get("a"))?.touchedAt, START);
      assertEquals(await store.get("b"), undefined);
    },
  },
  {
    name: "end() leaves a tombstone without data and hands the backends out",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await open(store, "a", "one", 1);
      await open(store, "a", "two", 2);
      const ended = (await other.end("a", START + HOUR))
        .toSorted((x, y) => x.server.localeCompare(y.server));
      assertEquals(
        ended.map(({ session, server, data }) => [session, server, [...data]]),
        [["a", "one", [1]], ["a", "two", [2]]],
      );
      const tombstone = await store.get("a");
      assertEquals(tombstone?.ended, true);
      assertEquals(tombstone?.data.length, 0);
      assertEquals(await store.getBackend("a", "one"), undefined);
      assertEquals(await store.backends("a"), []);
      assertEquals(await store.count(), 0);
    },
  },
  {
    name: "end() twice is no error and hands nothing out again",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await open(store, "a", "one", 1);
      await store.end("a", START + HOUR);
      assertEquals(await other.end("a", START + HOUR), []);
    },
  },
  {
    name: "end() leaves a tombstone for an id that was not known",
    run: async ({ store, other }) => {
      assertEquals(await store.end("a", START + HOUR), []);
      const tombstone = await other.get("a");
      assertEquals(
        [tombstone?.ended, tombstone?.expiresAt],
        [true, START + HOUR],
      );
    },
  },
  {
    name: "end() never shortens a tombstone",
    run: async ({ store }) => {
      await store.create(session("a"), NO_LIMITS);
      await store.end("a", START + 1);
      assertEquals((await store.get("a"))?.expiresAt, START + HOUR);
    },
  },
  {
    name: "claim() gives one claimant the right and tells others it is busy",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      assertEquals(await claim(store, "a", "one", "x"), "claimed");
      assertEquals(await claim(other, "a", "one", "y"), "busy");
      assertEquals(await claim(other, "a", "two", "y"), "claimed");
    },
  },
  {
    name: "claim() gives exactly one of many claimants the right",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      const outcomes = await Promise.all(
        Array.from(
          { length: 40 },
          (_, i) => claim(i % 2 ? store : other, "a", "one", `c${i}`),
        ),
      );
      assertEquals(outcomes.filter((each) => each === "claimed").length, 1);
      assertEquals(outcomes.filter((each) => each === "busy").length, 39);
    },
  },
  {
    name: "claim() answers what is open",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await open(store, "a", "one", 7);
      const outcome = await other.claim("a", "one", "y", START, 1000);
      assert(outcome.kind === "open");
      assertEquals([...outcome.data], [7]);
    },
  },
  {
    name: "claim() refuses for ended, expired and unknown sessions",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await store.create(session("b"), NO_LIMITS);
      await store.end("a", START + HOUR);
      assertEquals(await claim(other, "a", "one", "x"), "ended");
      assertEquals(await claim(other, "b", "one", "x", START + HOUR), "ended");
      assertEquals(await claim(other, "c", "one", "x"), "ended");
    },
  },
  {
    name: "claim() passes on when the lease runs out, and not before",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await claim(store, "a", "one", "x", START);
      assertEquals(await claim(other, "a", "one", "y", START + 999), "busy");
      assertEquals(
        await claim(other, "a", "one", "y", START + 1000),
        "claimed",
      );
      assertEquals(
        await store.fulfil("a", "one", "x", Uint8Array.of(1)),
        false,
      );
      assertEquals(await other.fulfil("a", "one", "y", Uint8Array.of(2)), true);
      assertEquals(await store.getBackend("a", "one"), Uint8Array.of(2));
    },
  },
  {
    name: "claim() by its holder renews the lease",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await claim(store, "a", "one", "x", START);
      assertEquals(await claim(store, "a", "one", "x", START + 900), "claimed");
      assertEquals(await claim(other, "a", "one", "y", START + 1800), "busy");
    },
  },
  {
    name: "fulfil() works after the lease ran out if nobody took the claim",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await claim(store, "a", "one", "x", START);
      assertEquals(await store.fulfil("a", "one", "x", Uint8Array.of(1)), true);
      assertEquals(
        await claim(other, "a", "one", "y", START + HOUR - 1),
        "open",
      );
    },
  },
  {
    name: "fulfil() without a claim stores nothing",
    run: async ({ store }) => {
      await store.create(session("a"), NO_LIMITS);
      assertEquals(
        await store.fulfil("a", "one", "x", Uint8Array.of(1)),
        false,
      );
      assertEquals(await store.getBackend("a", "one"), undefined);
    },
  },
  {
    name: "fulfil() after end() is false and stores nothing",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await claim(store, "a", "one", "x");
      await other.end("a", START + HOUR);
      assertEquals(
        await store.fulfil("a", "one", "x", Uint8Array.of(1)),
        false,
      );
      assertEquals(await store.backends("a"), []);
    },
  },
  {
    name: "release() lets the next one in, but only its own claim",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await claim(store, "a", "one", "x");
      await other.release("a", "one", "y");
      assertEquals(await claim(other, "a", "one", "y"), "busy");
      await store.release("a", "one", "x");
      assertEquals(await claim(other, "a", "one", "y"), "claimed");
    },
  },
  {
    name: "forget() removes the very backend session it is given",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await open(store, "a", "one", 1);
      assertEquals(await other.forget("a", "one", Uint8Array.of(1)), true);
      assertEquals(await store.getBackend("a", "one"), undefined);
      assertEquals(await other.forget("a", "one", Uint8Array.of(1)), false);
    },
  },
  {
    name: "forget() leaves a newer backend session alone",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await open(store, "a", "one", 1);
      await store.forget("a", "one", Uint8Array.of(1));
      await open(store, "a", "one", 2);
      assertEquals(await other.forget("a", "one", Uint8Array.of(1)), false);
      assertEquals(await store.getBackend("a", "one"), Uint8Array.of(2));
    },
  },
  {
    name: "backends() lists those of one session",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await store.create(session("b"), NO_LIMITS);
      await open(store, "a", "one", 1);
      await open(store, "b", "one", 2);
      assertEquals(
        (await other.backends("a")).map(({ session, server, data }) => ({
          session,
          server,
          data,
        })),
        [{ session: "a", server: "one", data: Uint8Array.of(1) }],
      );
    },
  },
  {
    name: "notes() reads what setNote() wrote, the last of each name",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await store.create(session("b"), NO_LIMITS);
      const names = [
        { kind: "color", key: "x" },
        { kind: "color", key: "n:color:y" },
        { kind: "the shape", key: "x" },
        { kind: "the shape", key: "" },
      ];
      for (const [i, name] of names.entries()) {
        const writer = i % 2 ? store : other;
        for (const bytes of [[0], [i, 255]]) {
          const data = Uint8Array.from(bytes);
          assertEquals(await writer.setNote("a", name, data, 2), "set");
        }
      }
      const read = (await store.notes("a")).map(({ kind, key, data }) => ({
        kind,
        key,
        data: [...data],
      }));
      const ordered = read.toSorted((x, y) => x.data[0]! - y.data[0]!);
      assertEquals(
        ordered,
        names.map((name, i) => ({ ...name, data: [i, 255] })),
      );
      assertEquals(await store.notes("b"), []);
      assertEquals(await store.notes("unknown"), []);
    },
  },
  {
    name: "setNote() without data removes that note, once or twice",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      const kept = { ...NOTE, key: "kept" };
      await store.setNote("a", NOTE, Uint8Array.of(1), 9);
      await store.setNote("a", kept, Uint8Array.of(2), 9);
      for (const each of [other, store]) {
        assertEquals(await each.setNote("a", NOTE, undefined, 0), "set");
        assertEquals((await each.notes("a")).map(({ key }) => key), ["kept"]);
      }
    },
  },
  {
    name: "setNote() keeps the limit of a kind in a session",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await store.create(session("b"), NO_LIMITS);
      const data = Uint8Array.of(1);
      const set = (id: string, kind: string, key: string) =>
        other.setNote(id, { kind, key }, data, 2);
      assertEquals(await set("a", "color", "x"), "set");
      assertEquals(await set("a", "color", "y"), "set");
      assertEquals(await set("a", "color", "z"), "too many");
      assertEquals(await set("a", "color", "y"), "set");
      assertEquals(await set("a", "colors", "x"), "set");
      assertEquals(await set("b", "color", "z"), "set");
      await store.setNote("a", { kind: "color", key: "x" }, undefined, 2);
      assertEquals(await set("a", "color", "z"), "set");
    },
  },
  {
    name: "setNote() lets no more in than allowed, however many at once",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, (_, i) => {
          const name = { ...NOTE, key: `${i}` };
          const writer = i % 2 ? store : other;
          return writer.setNote("a", name, Uint8Array.of(i), 5);
        }),
      );
      assertEquals(outcomes.filter((each) => each === "set").length, 5);
      assertEquals((await store.notes("a")).length, 5);
    },
  },
  {
    name: "setNote() does nothing for ended and unknown sessions",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await store.setNote("a", NOTE, Uint8Array.of(1), 9);
      await other.end("a", START + HOUR);
      assertEquals(await store.notes("a"), []);
      for (const id of ["a", "unknown"]) {
        for (const data of [Uint8Array.of(1), undefined]) {
          assertEquals(await store.setNote(id, NOTE, data, 9), "ended");
        }
        assertEquals(await store.notes(id), []);
      }
      assertEquals(await store.get("unknown"), undefined);
    },
  },
  {
    name: "sweep() takes the notes of a session with it",
    run: async ({ store, other }) => {
      for (const [id, expiresAt] of [["idle", HOUR], ["over", 1]] as const) {
        await store.create(
          session(id, { expiresAt: START + expiresAt }),
          NO_LIMITS,
        );
        await store.setNote(id, NOTE, Uint8Array.of(1), 9);
      }
      await other.sweep(START + 2, START + 1);
      assertEquals(await store.notes("idle"), []);
      await store.create(session("over"), NO_LIMITS);
      assertEquals(await store.notes("over"), []);
    },
  },
  {
    name: "sweep() ends idle sessions and keeps busy ones",
    run: async ({ store, other }) => {
      await store.create(session("idle"), NO_LIMITS);
      await store.create(session("busy"), NO_LIMITS);
      await open(store, "idle", "one", 1);
      await open(store, "busy", "one", 2);
      await store.touch("busy", START + 10);
      const closed = await other.sweep(START + 20, START + 10);
      assertEquals(closed.map((each) => [each.session, [...each.data]]), [
        ["idle", [1]],
      ]);
      assertEquals((await store.get("idle"))?.ended, true);
      assertEquals((await store.get("busy"))?.ended, false);
      assertEquals(await store.getBackend("idle", "one"), undefined);
      assertEquals(await store.count(), 1);
    },
  },
  {
    name: "sweep() removes tombstones and sessions only when they are over",
    run: async ({ store, other }) => {
      await store.create(session("live"), NO_LIMITS);
      await open(store, "live", "one", 1);
      await store.end("dead", START + HOUR);
      assertEquals(await other.sweep(START + HOUR, 0), []);
      assertNotEquals(await store.get("dead"), undefined);
      const closed = await other.sweep(START + HOUR + 1, 0);
      assertEquals(closed.map((each) => each.session), ["live"]);
      assertEquals(await store.get("dead"), undefined);
      assertEquals(await store.get("live"), undefined);
      assertEquals(await store.getBackend("live", "one"), undefined);
    },
  },
  {
    name: "sweep() takes the claims of a session with it",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      await claim(store, "a", "one", "x");
      await other.sweep(START, START + 1);
      assertEquals(
        await store.fulfil("a", "one", "x", Uint8Array.of(1)),
        false,
      );
    },
  },
  {
    name: "revision() changes with every write of another connection",
    run: async ({ store, other }) => {
      await store.create(session("a"), NO_LIMITS);
      const writes: readonly (() => Promise<unknown>)[] = [
        () => other.create(session("b"), NO_LIMITS),
        () => open(other, "a", "one", 1),
        () => other.forget("a", "one", Uint8Array.of(1)),
        () => other.end("b", START + HOUR),
        () => other.sweep(START, START + 1),
      ];
      for (const write of writes) {
        const before = store.revision();
        await write();
        assert(before === undefined || store.revision() !== before);
      }
    },
  },
  {
    name: "revision() changes with own writes and stays while only reading",
    run: async ({ store, other }) => {
      const empty = store.revision();
      await store.create(session("a"), NO_LIMITS);
      const created = store.revision();
      assert(empty === undefined || created !== empty);
      await store.get("a");
      await other.get("a");
      await store.getBackend("a", "one");
      await other.backends("a");
      await other.count();
      assertEquals(store.revision(), created);
    },
  },
];

/**
 * Registers a test for everything that a session store promises.
 *
 * @param name Name of the implementation.
 * @param makeStore Makes an empty store.
 */
export function storeContract(
  name: string,
  makeStore: () => Promise<StoreFixture>,
): void {
  for (const promise of PROMISES) {
    Deno.test(`${name}: ${promise.name}`, async () => {
      await using fixture = await makeStore();
      const store = await fixture.connect();
      const other = await fixture.connect();
      await promise.run({ store, other });
    });
  }
}

function session(
  id: string,
  changes: Partial<StoredSession> = {},
): StoredSession {
  return {
    id,
    identity: "me",
    createdAt: START,
    touchedAt: START,
    expiresAt: START + HOUR,
    ended: false,
    expendable: false,
    data: Uint8Array.of(1, 2, 3),
    ...changes,
  };
}

/** Without what a database adds to a row. */
function plain(session: StoredSession | undefined): StoredSession | undefined {
  return session === undefined
    ? undefined
    : { ...session, data: new Uint8Array(session.data) };
}

async function claim(
  store: SessionStore,
  id: string,
  server: string,
  claimant: string,
  now = START,
): Promise<string> {
  return (await store.claim(id, server, claimant, now, 1000)).kind;
}

async function open(
  store: SessionStore,
  id: string,
  server: string,
  byte: number,
): Promise<void> {
  assertEquals(await claim(store, id, server, "opener"), "claimed");
  assert(await store.fulfil(id, server, "opener", Uint8Array.of(byte)));
}
