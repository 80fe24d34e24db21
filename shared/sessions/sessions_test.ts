import {
  assert,
  assertEquals,
  assertNotEquals,
  assertRejects,
} from "@std/assert";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { KeyRing } from "./keys.ts";
import { MemoryStore } from "./memory_store.ts";
import {
  type BackendSession,
  type ClientSession,
  type SessionRequest,
  Sessions,
  type SessionsOptions,
} from "./sessions.ts";
import { SqliteStore } from "./sqlite_store.ts";
import type { SessionStore } from "./store.ts";
import { readSession, signSession } from "./token.ts";

const START = 1_700_000_000_000;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const secret = (fill: number) => new Uint8Array(32).fill(fill);
const KEYS = new KeyRing(secret(1));

/** A clock that goes when it is told to. */
class Clock {
  #now = START;
  #timers: { readonly at: number; readonly ring: () => void }[] = [];

  readonly now = (): number => this.#now;

  readonly wait = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const timer = { at: this.#now + ms, ring: resolve };
      this.#timers.push(timer);
      signal.addEventListener("abort", () => {
        this.#timers = this.#timers.filter((each) => each !== timer);
        resolve();
      });
    });

  /** Timers that somebody still waits for. */
  get waiting(): number {
    return this.#timers.length;
  }

  /** Goes on, ringing what is due in its order, until all is quiet. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await quiet();
      const [next] = this.#timers.filter(({ at }) => at <= end)
        .toSorted((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#now = next.at;
      next.ring();
    }
    this.#now = end;
  }
}

/** Lets everything run that waits for nothing but promises. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await null;
}

/** Random bytes that are the same in every run and never repeat. */
function countingBytes(): (length: number) => Uint8Array {
  let count = 0;
  return (length) => {
    const bytes = new Uint8Array(length);
    new DataView(bytes.buffer).setUint32(length - 4, ++count);
    return bytes;
  };
}

/** One store, some replicas, and a clock. */
class World implements AsyncDisposable {
  readonly clock: Clock = new Clock();
  readonly logged: string[] = [];
  readonly orphans: [BackendSession, string][] = [];
  /** What of the store fails now. */
  down: "nothing" | "reading" | "everything" = "nothing";
  readonly #randomBytes = countingBytes();
  readonly #dir: string | undefined;
  readonly #stores: SessionStore[] = [];

  constructor(kind: "memory" | "sqlite") {
    if (kind === "sqlite") this.#dir = Deno.makeTempDirSync();
    else this.#stores.push(new MemoryStore());
  }

  /** Another process with the same store. */
  async replica(options: Partial<SessionsOptions> = {}): Promise<Sessions> {
    return new Sessions({
      store: this.#breakable(await this.store()),
      keys: KEYS,
      now: this.clock.now,
      wait: this.clock.wait,
      randomBytes: this.#randomBytes,
      log: this.#log(),
      onOrphan: (backend, { name }) => this.orphans.push([backend, name]),
      ...options,
    });
  }

  /** Another connection to the store. */
  async store(): Promise<SessionStore> {
    const [only] = this.#stores;
    if (this.#dir === undefined && only !== undefined) return only;
    const store = await SqliteStore.open(this.#dir ?? "");
    this.#stores.push(store);
    return store;
  }

  #breakable(store: SessionStore): SessionStore {
    const fails = (name: unknown) =>
      this.down === "everything" || (this.down === "reading" && name === "get");
    return new Proxy(store, {
      get: (target, name) => (...values: unknown[]) => {
        if (!fails(name)) {
          return Reflect.get(target, name).apply(target, values);
        }
        if (name === "revision") throw new Error("store is away");
        return Promise.reject(new Error("store is away"));
      },
    });
  }

  #log(): Logger {
    const write = (message: string) => {
      this.logged.push(message);
    };
    const log: Logger = {
      debug: write,
      info: write,
      warn: write,
      error: write,
      with: () => log,
    };
    return log;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#stores) await store.close();
    if (this.#dir) await Deno.remove(this.#dir, { recursive: true });
  }
}

const REQUEST: SessionRequest = {
  identity: "me",
  route: "/mcp",
  revision: "2025-11-25",
  capabilities: { elicitation: {} },
  clientInfo: { name: "tester", version: "1" },
};
const ME = { identity: "me", route: "/mcp" };
const SERVER = { name: "weather", fingerprint: "f1" };
const OPENED: BackendSession = { id: "b1", revision: "2025-06-18" };
const PATIENT = { deadlineMs: 8000 };

async function opened(
  sessions: Sessions,
  changes: Partial<SessionRequest> = {},
): Promise<{ readonly token: string; readonly session: ClientSession }> {
  const outcome = await sessions.open({ ...REQUEST, ...changes });
  assert(outcome.kind === "opened");
  return { token: outcome.token, session: outcome.claims };
}

/** How a token is received: `live`, or the kind of refusal. */
async function verdict(
  sessions: Sessions,
  token: string | undefined,
  presenter = ME,
): Promise<string> {
  const outcome = await sessions.verify(token, presenter);
  return outcome.kind === "live" ? "live" : outcome.refusal.kind;
}

async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await assertRejects(() => work, GatewayError);
  return error.refusal.kind;
}

/** A handshake that ends when it is told to. */
function handshake(): {
  readonly open: (signal: AbortSignal) => Promise<BackendSession>;
  readonly succeed: (backend: BackendSession) => void;
  readonly fail: (error: Error) => void;
  readonly started: () => number;
  readonly aborted: () => boolean;
} {
  const { promise, resolve, reject } = Promise.withResolvers<BackendSession>();
  promise.catch(() => {}); // the test may end before anybody waits
  const signals: AbortSignal[] = [];
  return {
    open: (signal) => {
      signals.push(signal);
      return promise;
    },
    succeed: resolve,
    fail: reject,
    started: () => signals.length,
    aborted: () => signals.some((signal) => signal.aborted),
  };
}

const open = () => Promise.resolve({ ...OPENED });
const mustNotOpen = () => Promise.reject(new Error("opened a second time"));

interface Story {
  readonly name: string;
  readonly run: (world: World) => Promise<void>;
}

const STORIES: readonly Story[] = [
  {
    name: "open() mints a token that every replica takes",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { token, session } = await opened(one);
      assertEquals(session, {
        id: session.id,
        identity: "me",
        route: "/mcp",
        revision: "2025-11-25",
        capabilities: { elicitation: {} },
        issuedAt: START / 1000,
        expiresAt: (START + 24 * HOUR) / 1000,
      });
      for (const sessions of [one, two, two]) {
        assertEquals(await sessions.verify(token, ME), {
          kind: "live",
          session,
        });
      }
    },
  },
  {
    name: "open() keeps the limits and says which one",
    run: async (world) => {
      const sessions = await world.replica({
        limits: { total: 2, perIdentity: 1 },
      });
      await opened(sessions);
      assertEquals(await sessions.open(REQUEST), {
        kind: "refused",
        refusal: { kind: "too many sessions", detail: "of this caller" },
      });
      await opened(sessions, { identity: "" });
      assertEquals(await sessions.open({ ...REQUEST, identity: "you" }), {
        kind: "refused",
        refusal: { kind: "too many sessions" },
      });
      assertEquals(await sessions.count(), 2);
    },
  },
  {
    name:
      "open() leaves experimental capabilities out of a full token, not out of the details",
    run: async (world) => {
      const sessions = await world.replica();
      const capabilities = {
        roots: {},
        experimental: { note: "x".repeat(5000) },
      };
      const { token, session } = await opened(sessions, { capabilities });
      assertEquals(session.capabilities, { roots: {} });
      assertEquals(await verdict(sessions, token), "live");
      assertEquals(
        (await sessions.details(session)).capabilities,
        capabilities,
      );
    },
  },
  {
    name: "open() refuses a client that describes itself at too great a length",
    run: async (world) => {
      const sessions = await world.replica();
      const long = "x".repeat(5000);
      const tooMuch = [
        { capabilities: { roots: { long } } },
        { clientInfo: { name: long.repeat(4), version: "1" } },
      ];
      for (const changes of tooMuch) {
        const outcome = await sessions.open({ ...REQUEST, ...changes });
        assert(outcome.kind === "refused");
        assertEquals(outcome.refusal.kind, "invalid params");
      }
      assertEquals(await sessions.count(), 0);
    },
  },
  {
    name:
      "verify() tells a missing token from a wrong one, and wrong ones not apart",
    run: async (world) => {
      const sessions = await world.replica();
      const { token, session } = await opened(sessions);
      const { token: ended, session: over } = await opened(sessions);
      await sessions.end(over);
      const foreign = signSession(new KeyRing(secret(9)), session);
      const future = signSession(KEYS, {
        ...session,
        issuedAt: session.issuedAt + 301,
      });
      assertEquals(await verdict(sessions, undefined), "session missing");
      assertEquals(await verdict(sessions, ""), "session missing");
      const wrong = await Promise.all([
        sessions.verify("made-up", ME),
        sessions.verify(`${token}x`, ME),
        sessions.verify(foreign, ME),
        sessions.verify(future, ME),
        sessions.verify(ended, ME),
        sessions.verify(token, { ...ME, identity: "you" }),
        sessions.verify(token, { ...ME, identity: "" }),
        sessions.verify(token, { ...ME, route: "/mcp/a/b" }),
      ]);
      for (const each of wrong) {
        assertEquals(each, {
          kind: "refused",
          refusal: { kind: "session unknown" },
        });
      }
    },
  },
  {
    name:
      "verify() refuses other identities and routes of a token that is remembered",
    run: async (world) => {
      const sessions = await world.replica();
      const { token } = await opened(sessions);
      assertEquals(await verdict(sessions, token), "live");
      for (
        const other of [{ ...ME, identity: "you" }, { ...ME, route: "/mcp/a" }]
      ) {
        assertEquals(sessions.peek(token, other), undefined);
        assertEquals(await verdict(sessions, token, other), "session unknown");
      }
      assertEquals(await verdict(sessions, token), "live");
    },
  },
  {
    name: "verify() binds an anonymous session to its route only",
    run: async (world) => {
      const sessions = await world.replica();
      const { token } = await opened(sessions, { identity: "" });
      assertEquals(await verdict(sessions, token), "live");
      assertEquals(
        await verdict(sessions, token, { identity: "", route: "/mcp" }),
        "live",
      );
      assertEquals(
        await verdict(sessions, token, { ...ME, route: "/mcp/a" }),
        "session unknown",
      );
    },
  },
  {
    name: "verify() refuses at once what another replica ended",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { token, session } = await opened(one);
      assertEquals(await verdict(two, token), "live");
      assert(two.peek(token, ME));
      await one.end(session);
      assertEquals(two.peek(token, ME), undefined);
      assertEquals(await verdict(two, token), "session unknown");
      assertEquals(await verdict(one, token), "session unknown");
    },
  },
  {
    name: "verify() notices next time what ended while it was reading",
    run: async (world) => {
      const store = await world.store();
      const other = await world.replica();
      let meanwhile: (() => Promise<unknown>) | undefined;
      const overtaken = new Proxy(store, {
        get: (target, name) => {
          if (name !== "get") return Reflect.get(target, name).bind(target);
          return async (id: string) => {
            const found = await target.get(id);
            await meanwhile?.();
            return found;
          };
        },
      });
      const sessions = await world.replica({ store: overtaken });
      const { token, session } = await opened(other);
      meanwhile = () => other.end(session);
      assertEquals(await verdict(sessions, token), "live");
      meanwhile = undefined;
      assertEquals(sessions.peek(token, ME), undefined);
      assertEquals(await verdict(sessions, token), "session unknown");
    },
  },
  {
    name: "verify() ends a session at its absolute age, however busy",
    run: async (world) => {
      const sessions = await world.replica();
      const { token } = await opened(sessions);
      for (let minutes = 0; minutes < 24 * 60; minutes += 20) {
        assertEquals(await verdict(sessions, token), "live");
        await world.clock.advance(20 * MINUTE);
      }
      assertEquals(sessions.peek(token, ME), undefined);
      assertEquals(await verdict(sessions, token), "session unknown");
    },
  },
  {
    name: "verify() ends a session after 30 idle minutes, on every replica",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { token } = await opened(one);
      await world.clock.advance(30 * MINUTE);
      assertEquals(await verdict(one, token), "live");
      await world.clock.advance(30 * MINUTE);
      assertEquals(await verdict(two, token), "live");
      await world.clock.advance(30 * MINUTE + 1);
      assertEquals(await verdict(one, token), "session unknown");
      assertEquals(await verdict(two, token), "session unknown");
    },
  },
  {
    name: "touch() keeps a session alive whose stream is all there is",
    run: async (world) => {
      const sessions = await world.replica();
      const { token, session } = await opened(sessions);
      await verdict(sessions, token);
      await world.clock.advance(20 * MINUTE);
      await sessions.touch(session);
      await world.clock.advance(20 * MINUTE);
      assertEquals(await verdict(sessions, token), "live");
    },
  },
  {
    name: "verify() writes activity down once a minute",
    run: async (world) => {
      const sessions = await world.replica();
      const store = await world.store();
      const { token, session } = await opened(sessions);
      const touched = async () => (await store.get(session.id))?.touchedAt;
      await world.clock.advance(MINUTE - 1);
      assertEquals(await verdict(sessions, token), "live");
      assertEquals(await touched(), START);
      await world.clock.advance(1);
      assertEquals(await verdict(sessions, token), "live");
      assertEquals(await touched(), START + MINUTE);
      await world.clock.advance(MINUTE - 1);
      assertEquals(await verdict(sessions, token), "live");
      assertEquals(await touched(), START + MINUTE);
    },
  },
  {
    name:
      "verify() takes a session up again that the store lost, with its limits",
    run: async (world) => {
      const sessions = await world.replica();
      const elsewhere = await new World("memory").replica();
      const { token, session } = await opened(elsewhere);
      assertEquals(await verdict(sessions, token), "live");
      assertEquals(await sessions.count(), 1);
      assertEquals(await sessions.details(session), {
        capabilities: REQUEST.capabilities,
      });
      const full = await world.replica({ limits: { total: 1 } });
      const { token: second } = await opened(elsewhere, {
        capabilities: { roots: {} },
      });
      assertEquals(await verdict(full, second), "too many sessions");
    },
  },
  {
    name: "verify() never takes up again what was ended",
    run: async (world) => {
      const sessions = await world.replica();
      const { token, session } = await opened(sessions);
      await sessions.end(session);
      await world.clock.advance(24 * HOUR - 1000);
      await sessions.sweep();
      assertEquals(await verdict(sessions, token), "session unknown");
      assertEquals(await sessions.count(), 0);
    },
  },
  {
    name: "verify() takes a lost session up once when replicas do it together",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { token } = await opened(await new World("memory").replica());
      assertEquals(
        await Promise.all([verdict(one, token), verdict(two, token)]),
        ["live", "live"],
      );
      assertEquals(await one.count(), 1);
    },
  },
  {
    name: "verify() does not ask the store again for what it remembers",
    run: async (world) => {
      const sessions = await world.replica();
      const { token, session } = await opened(sessions);
      assertEquals(sessions.peek(token, ME), undefined);
      assertEquals(await verdict(sessions, token), "live");
      world.down = "reading";
      assertEquals(sessions.peek(token, ME), session);
      assertEquals(await verdict(sessions, token), "live");
    },
  },
  {
    name: "verify() remembers nothing where the store cannot tell of changes",
    run: async (world) => {
      const store = await world.store();
      const silent = new Proxy(store, {
        get: (target, name) =>
          name === "revision"
            ? () => undefined
            : Reflect.get(target, name).bind(target),
      });
      const sessions = await world.replica({ store: silent });
      const { token, session } = await opened(sessions);
      assertEquals(await verdict(sessions, token), "live");
      assertEquals(sessions.peek(token, ME), undefined);
      await store.end(session.id, START + 24 * HOUR);
      assertEquals(await verdict(sessions, token), "session unknown");
    },
  },
  {
    name:
      "everything answers store unavailable while the store is away, and works after",
    run: async (world) => {
      const sessions = await world.replica();
      const { token, session } = await opened(sessions);
      await verdict(sessions, token);
      world.down = "everything";
      assertEquals(sessions.peek(token, ME), undefined);
      const work = [
        () => sessions.open(REQUEST),
        () => sessions.verify(token, ME),
        () => sessions.end(session),
        () => sessions.backend(session, SERVER, mustNotOpen, PATIENT),
        () => sessions.forget(session, SERVER, OPENED),
        () => sessions.details(session),
        () => sessions.touch(session),
        () => sessions.sweep(),
        () => sessions.count(),
      ];
      for (const each of work) {
        assertEquals(await refusalOf(each()), "store unavailable");
      }
      assertEquals(
        await verdict(sessions, "made-up"),
        "session unknown",
      );
      world.down = "nothing";
      assertEquals(await verdict(sessions, token), "live");
      assertEquals(
        await sessions.backend(session, SERVER, open, PATIENT),
        OPENED,
      );
    },
  },
  {
    name: "verify() goes on where activity cannot be written down",
    run: async (world) => {
      const store = await world.store();
      const untouchable = new Proxy(store, {
        get: (target, name) =>
          name === "touch"
            ? () => Promise.reject(new Error("disk full"))
            : Reflect.get(target, name).bind(target),
      });
      const sessions = await world.replica({ store: untouchable });
      const { token } = await opened(sessions);
      await world.clock.advance(MINUTE);
      assertEquals(await verdict(sessions, token), "live");
      await quiet();
      assert(world.logged.includes("session activity not recorded"));
    },
  },
  {
    name: "tokens and sealed values outlive one rotation of the key",
    run: async (world) => {
      const before = await world.replica();
      const { token, session } = await opened(before);
      await before.backend(session, SERVER, open, PATIENT);
      const rotated = await world.replica({
        keys: new KeyRing(secret(2), secret(1)),
      });
      assertEquals(await verdict(rotated, token), "live");
      assertEquals(
        await rotated.backend(session, SERVER, mustNotOpen, PATIENT),
        OPENED,
      );
      assertEquals(
        (await rotated.details(session)).clientInfo,
        REQUEST.clientInfo,
      );
      const done = await world.replica({ keys: new KeyRing(secret(2)) });
      assertEquals(await verdict(done, token), "session unknown");
    },
  },
  {
    name: "backend() opens one anew that no key can unseal any more",
    run: async (world) => {
      const before = await world.replica();
      const { session } = await opened(before);
      await before.backend(session, SERVER, open, PATIENT);
      const done = await world.replica({ keys: new KeyRing(secret(2)) });
      const fresh = { id: "b2", revision: "2025-06-18" };
      assertEquals(
        await done.backend(
          session,
          SERVER,
          () => Promise.resolve(fresh),
          PATIENT,
        ),
        fresh,
      );
    },
  },
  {
    name: "details() reads what the client said about itself",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      assertEquals(await two.details(session), {
        capabilities: REQUEST.capabilities,
        clientInfo: { name: "tester", version: "1" },
      });
    },
  },
  {
    name:
      "the store holds neither tokens, nor identifiers of servers' sessions, nor clients' names",
    run: async (world) => {
      const sessions = await world.replica();
      const store = await world.store();
      const { session } = await opened(sessions, {
        clientInfo: { name: "canary-client", version: "1" },
      });
      const canary = { id: "canary-session", revision: "2025-06-18" };
      await sessions.backend(
        session,
        SERVER,
        () => Promise.resolve(canary),
        PATIENT,
      );
      const [backend] = await store.backends(session.id);
      const bytes = [(await store.get(session.id))?.data, backend?.data];
      for (const each of bytes) {
        assert(each !== undefined && each.length > 0);
        assertEquals(new TextDecoder().decode(each).includes("canary"), false);
      }
    },
  },
  {
    name: "backend() opens once for all calls and replicas",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const slow = handshake();
      const calls = [one, one, two, two].map((sessions) =>
        sessions.backend(session, SERVER, slow.open, PATIENT)
      );
      await world.clock.advance(500);
      assertEquals(slow.started(), 1);
      slow.succeed({ ...OPENED });
      await world.clock.advance(500);
      for (const call of calls) assertEquals(await call, OPENED);
      assertEquals(slow.started(), 1);
      for (const sessions of [one, two]) {
        assertEquals(
          await sessions.backend(session, SERVER, mustNotOpen, PATIENT),
          OPENED,
        );
      }
      assertEquals(world.clock.waiting, 0);
    },
  },
  {
    name: "backend() opens one per server, fingerprint and session",
    run: async (world) => {
      const sessions = await world.replica();
      const { session: a } = await opened(sessions);
      const { session: b } = await opened(sessions);
      let count = 0;
      const next = () =>
        Promise.resolve({ id: `b${++count}`, revision: "2025-06-18" });
      const ids = [];
      for (
        const [session, server] of [
          [a, SERVER],
          [b, SERVER],
          [a, { ...SERVER, name: "news" }],
          [a, { ...SERVER, fingerprint: "f2" }],
          [a, SERVER],
        ] as const
      ) {
        ids.push((await sessions.backend(session, server, next, PATIENT)).id);
      }
      assertEquals(ids, ["b1", "b2", "b3", "b4", "b1"]);
    },
  },
  {
    name: "backend() keeps a server's session that has no id",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const nameless = { revision: "2025-03-26" };
      await one.backend(
        session,
        SERVER,
        () => Promise.resolve(nameless),
        PATIENT,
      );
      assertEquals(
        await two.backend(session, SERVER, mustNotOpen, PATIENT),
        nameless,
      );
    },
  },
  {
    name:
      "backend() answers session opening past the deadline and keeps what comes later",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const slow = handshake();
      const calls = [one, two].map((sessions) =>
        refusalOf(sessions.backend(session, SERVER, slow.open, PATIENT))
      );
      await world.clock.advance(8000);
      assertEquals(await Promise.all(calls), [
        "session opening",
        "session opening",
      ]);
      await world.clock.advance(1000);
      assertEquals(world.logged.includes("backend session not opened"), false);
      // Past the first lease too: it is renewed.
      await world.clock.advance(16_000);
      const again = refusalOf(
        two.backend(session, SERVER, mustNotOpen, { deadlineMs: 1000 }),
      );
      await world.clock.advance(1000);
      assertEquals(await again, "session opening");
      slow.succeed({ ...OPENED });
      await world.clock.advance(0);
      assertEquals(
        await two.backend(session, SERVER, mustNotOpen, PATIENT),
        OPENED,
      );
      await world.clock.advance(1000);
      assertEquals(world.orphans, []);
      assertEquals(world.clock.waiting, 0);
    },
  },
  {
    name: "backend() tells all callers of a failure and lets the next one try",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const failing = handshake();
      const calls = [1, 2].map(() =>
        refusalOf(one.backend(session, SERVER, failing.open, PATIENT))
      );
      await quiet();
      failing.fail(new GatewayError({ kind: "server unreachable" }));
      assertEquals(await Promise.all(calls), [
        "server unreachable",
        "server unreachable",
      ]);
      assertEquals(failing.started(), 1);
      assertEquals(await two.backend(session, SERVER, open, PATIENT), OPENED);
    },
  },
  {
    name: "backend() survives an open() that throws at once",
    run: async (world) => {
      const sessions = await world.replica();
      const { session } = await opened(sessions);
      const broken = () => {
        throw new TypeError("no such URL");
      };
      await assertRejects(
        () => sessions.backend(session, SERVER, broken, PATIENT),
        TypeError,
      );
      assertEquals(
        await sessions.backend(session, SERVER, open, PATIENT),
        OPENED,
      );
    },
  },
  {
    name:
      "backend() logs a failure that nobody waits for, and gives the claim up",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const slow = handshake();
      const call = refusalOf(one.backend(session, SERVER, slow.open, PATIENT));
      await world.clock.advance(8000);
      assertEquals(await call, "session opening");
      assertEquals(world.logged.includes("backend session not opened"), false);
      slow.fail(new Error("refused"));
      await quiet();
      assert(world.logged.includes("backend session not opened"));
      assertEquals(await two.backend(session, SERVER, open, PATIENT), OPENED);
    },
  },
  {
    name:
      "backend() gives a handshake up that hangs, and closes what still comes",
    run: async (world) => {
      const sessions = await world.replica();
      const { session } = await opened(sessions);
      const hung = handshake();
      const call = refusalOf(
        sessions.backend(session, SERVER, hung.open, { deadlineMs: 60_000 }),
      );
      await world.clock.advance(30_000);
      assertEquals(await call, "server timed out");
      assertEquals(hung.aborted(), true);
      assertEquals(
        await sessions.backend(session, SERVER, open, PATIENT),
        OPENED,
      );
      hung.succeed({ id: "late", revision: "2025-06-18" });
      await quiet();
      assertEquals(world.orphans.map(([{ id }]) => id), ["late"]);
    },
  },
  {
    name: "backend() takes over from a replica that died in the middle",
    run: async (world) => {
      const sessions = await world.replica();
      const { session } = await opened(sessions);
      const store = await world.store();
      const key = JSON.stringify([SERVER.name, SERVER.fingerprint]);
      await store.claim(session.id, key, "dead", START, 15_000);
      const call = sessions.backend(session, SERVER, open, {
        deadlineMs: 20_000,
      });
      await world.clock.advance(15_250);
      assertEquals(await call, OPENED);
    },
  },
  {
    name: "backend() closes what it opened where the session ended meanwhile",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const slow = handshake();
      const call = refusalOf(one.backend(session, SERVER, slow.open, PATIENT));
      await quiet();
      assertEquals(await two.end(session), []);
      slow.succeed({ ...OPENED });
      assertEquals(await call, "session unknown");
      assertEquals(world.orphans, [[OPENED, "weather"]]);
      assertEquals(
        await refusalOf(one.backend(session, SERVER, open, PATIENT)),
        "session unknown",
      );
    },
  },
  {
    name: "backend() stops a handshake within seconds of the session's end",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const slow = handshake();
      const call = refusalOf(one.backend(session, SERVER, slow.open, PATIENT));
      await quiet();
      await two.end(session);
      await world.clock.advance(5000);
      assertEquals(await call, "session unknown");
      assertEquals(slow.aborted(), true);
    },
  },
  {
    name: "backend() uses another's session where the claim was lost",
    run: async (world) => {
      const sessions = await world.replica();
      const { session } = await opened(sessions);
      const store = await world.store();
      const key = JSON.stringify([SERVER.name, SERVER.fingerprint]);
      const slow = handshake();
      const call = sessions.backend(session, SERVER, slow.open, PATIENT);
      await quiet();
      // As if this process had been stopped for longer than the lease.
      const late = START + HOUR;
      await store.claim(session.id, key, "other", late, 15_000);
      await store.release(session.id, key, "other");
      const other = await world.replica();
      const theirs = { id: "theirs", revision: "2025-06-18" };
      await other.backend(
        session,
        SERVER,
        () => Promise.resolve(theirs),
        PATIENT,
      );
      slow.succeed({ ...OPENED });
      assertEquals(await call, theirs);
      assertEquals(world.orphans, [[OPENED, "weather"]]);
    },
  },
  {
    name: "backend() closes what it opened where the store went away meanwhile",
    run: async (world) => {
      const sessions = await world.replica();
      const { session } = await opened(sessions);
      const slow = handshake();
      const call = refusalOf(
        sessions.backend(session, SERVER, slow.open, PATIENT),
      );
      await quiet();
      world.down = "everything";
      slow.succeed({ ...OPENED });
      assertEquals(await call, "store unavailable");
      assertEquals(world.orphans, [[OPENED, "weather"]]);
    },
  },
  {
    name: "forget() evicts one backend session once, on every replica",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const lost = await one.backend(session, SERVER, open, PATIENT);
      const seen = await two.backend(session, SERVER, mustNotOpen, PATIENT);
      assertEquals(await two.forget(session, SERVER, seen), true);
      assertEquals(await one.forget(session, SERVER, lost), false);
      const fresh = { id: "b2", revision: "2025-06-18" };
      assertEquals(
        await one.backend(
          session,
          SERVER,
          () => Promise.resolve(fresh),
          PATIENT,
        ),
        fresh,
      );
      // A late 404 of the old one leaves the new one alone.
      assertEquals(await two.forget(session, SERVER, seen), false);
      assertEquals(
        await two.backend(session, SERVER, mustNotOpen, PATIENT),
        fresh,
      );
    },
  },
  {
    name: "forget() tells two backend sessions apart that look the same",
    run: async (world) => {
      const sessions = await world.replica();
      const { session } = await opened(sessions);
      const nameless = () => Promise.resolve({ revision: "2025-03-26" });
      const backend = () =>
        sessions.backend(session, SERVER, nameless, PATIENT);
      const lost = await backend();
      assertEquals(await sessions.forget(session, SERVER, lost), true);
      const fresh = await backend();
      assertEquals(await sessions.forget(session, SERVER, lost), false);
      assertEquals(await sessions.forget(session, SERVER, fresh), true);
    },
  },
  {
    name: "forget() knows a backend session by its value as well",
    run: async (world) => {
      const sessions = await world.replica();
      const { session } = await opened(sessions);
      await sessions.backend(session, SERVER, open, PATIENT);
      const another = { ...OPENED, id: "b2" };
      assertEquals(await sessions.forget(session, SERVER, another), false);
      assertEquals(await sessions.forget(session, SERVER, { ...OPENED }), true);
    },
  },
  {
    name: "end() hands out the backend sessions, with their servers, once",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      await one.backend(session, SERVER, open, PATIENT);
      assertEquals(await two.end(session), [
        { server: SERVER, backend: OPENED },
      ]);
      assertEquals(await one.end(session), []);
    },
  },
  {
    name: "sweep() ends idle sessions and hands out their backend sessions",
    run: async (world) => {
      const sessions = await world.replica();
      const { token, session } = await opened(sessions);
      await sessions.backend(session, SERVER, open, PATIENT);
      const { token: busy } = await opened(sessions);
      await world.clock.advance(29 * MINUTE);
      assertEquals(await verdict(sessions, busy), "live");
      await world.clock.advance(2 * MINUTE);
      assertEquals(await sessions.sweep(), []);
      await world.clock.advance(1);
      assertEquals(await sessions.sweep(), [
        { server: SERVER, backend: OPENED },
      ]);
      assertEquals(await verdict(sessions, token), "session unknown");
      assertEquals(await verdict(sessions, busy), "live");
      assertEquals(await sessions.count(), 1);
    },
  },
  {
    name: "sweep() removes what is over, five minutes late for slow clocks",
    run: async (world) => {
      const sessions = await world.replica();
      const store = await world.store();
      const { session } = await opened(sessions);
      await sessions.end(session);
      await world.clock.advance(24 * HOUR + 5 * MINUTE);
      await sessions.sweep();
      assertNotEquals(await store.get(session.id), undefined);
      await world.clock.advance(1);
      await sessions.sweep();
      assertEquals(await store.get(session.id), undefined);
    },
  },
  {
    name: "the log never holds a token or a whole id",
    run: async (world) => {
      const fields: unknown[] = [];
      const write = (message: string, more?: unknown) => {
        fields.push(message, more);
      };
      const log: Logger = {
        debug: write,
        info: write,
        warn: write,
        error: write,
        with: () => log,
      };
      const sessions = await world.replica({ log });
      const { token, session } = await opened(sessions);
      await verdict(sessions, token);
      await sessions.end(session);
      const text = JSON.stringify(fields);
      assert(
        text.includes("session created") && text.includes("session ended"),
      );
      for (const hidden of [token, session.id]) {
        assertEquals(text.includes(hidden), false);
      }
      assertEquals(readSession(KEYS, token, START / 1000), session);
    },
  },
];

for (const kind of ["memory", "sqlite"] as const) {
  for (const { name, run } of STORIES) {
    Deno.test(`Sessions on ${kind}: ${name}`, async () => {
      await using world = new World(kind);
      await run(world);
    });
  }
}

Deno.test("Sessions waits on real timers unless told otherwise", async () => {
  const silent: Logger = {
    debug() {},
    info() {},
    warn() {},
    error() {},
    with: () => silent,
  };
  const sessions = new Sessions({
    store: new MemoryStore(),
    keys: KEYS,
    now: Date.now,
    randomBytes: countingBytes(),
    log: silent,
  });
  const { session } = await opened(sessions);
  const slow = handshake();
  assertEquals(
    await refusalOf(
      sessions.backend(session, SERVER, slow.open, { deadlineMs: 5 }),
    ),
    "session opening",
  );
  slow.succeed({ ...OPENED });
  assertEquals(
    await sessions.backend(session, SERVER, mustNotOpen, PATIENT),
    OPENED,
  );
});
