/**
 * What tests of sessions share: one store with some replicas of the gateway
 * around it, and a clock that goes when it is told to.
 *
 * @module
 */

import { assert, assertRejects } from "@std/assert";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { KeyRing } from "./keys.ts";
import { MemoryStore } from "./memory_store.ts";
import {
  type BackendServer,
  type BackendSession,
  type ClientSession,
  type Presenter,
  type SessionRequest,
  Sessions,
  type SessionsOptions,
} from "./sessions.ts";
import { SqliteStore } from "./sqlite_store.ts";
import type { SessionStore } from "./store.ts";

/** When the clock starts. */
export const START: number = 1_700_000_000_000;
/** In milliseconds. */
export const MINUTE = 60_000;
/** In milliseconds. */
export const HOUR: number = 60 * MINUTE;
/** A secret of one byte, repeated. */
export const secret = (fill: number): Uint8Array =>
  new Uint8Array(32).fill(fill);
/** Keys of every replica that is given no others. */
export const KEYS: KeyRing = new KeyRing(secret(1));

/** A clock that goes when it is told to. */
export class Clock {
  #now = START;
  #timers: { readonly at: number; readonly ring: () => void }[] = [];

  /** Milliseconds since the epoch. */
  readonly now = (): number => this.#now;

  /** Resolves when the clock has gone that far. */
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
export async function quiet(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await null;
}

/** Random bytes that are the same in every run and never repeat. */
export function countingBytes(): (length: number) => Uint8Array {
  let count = 0;
  return (length) => {
    const bytes = new Uint8Array(length);
    new DataView(bytes.buffer).setUint32(length - 4, ++count);
    return bytes;
  };
}

/** One store, some replicas, and a clock. */
export class World implements AsyncDisposable {
  /** That of all replicas. */
  readonly clock: Clock = new Clock();
  /** Messages that replicas logged. */
  readonly logged: string[] = [];
  /** Backend sessions that replicas did not keep, with their servers. */
  readonly orphans: [BackendSession, string][] = [];
  /** What of the store fails now. */
  down: "nothing" | "reading" | "everything" = "nothing";
  /** Methods of the store that do what they are told and say that they fail. */
  mute: readonly string[] = [];
  readonly #randomBytes = countingBytes();
  readonly #dir: string | undefined;
  readonly #stores: SessionStore[] = [];

  /** Makes one without replicas. */
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
    const fails = (name: string) =>
      this.down === "everything" || this.mute.includes(name) ||
      (this.down === "reading" && name === "get");
    return new Proxy(store, {
      get: (target, name) => (...values: unknown[]) => {
        const method = () => Reflect.get(target, name).apply(target, values);
        if (!fails(String(name))) return method();
        if (name === "revision") throw new Error("store is away");
        const done = this.mute.includes(String(name))
          ? method()
          : Promise.resolve();
        return done.then(() => Promise.reject(new Error("store is away")));
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

  /** Closes all connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.#stores) await store.close();
    if (this.#dir) await Deno.remove(this.#dir, { recursive: true });
  }
}

/** What a client says to open a session. */
export const REQUEST: SessionRequest = {
  identity: "me",
  route: "/mcp",
  revision: "2025-11-25",
  capabilities: { elicitation: {} },
  clientInfo: { name: "tester", version: "1" },
};
/** Who presents its token. */
export const ME: Presenter = { identity: "me", route: "/mcp" };
/** A server. */
export const SERVER: BackendServer = { name: "weather", fingerprint: "f1" };
/** What it opens. */
export const OPENED: BackendSession = { id: "b1", revision: "2025-06-18" };
/** Waits for as long as a test may. */
export const PATIENT = { deadlineMs: 8000 };
/** Opens {@linkcode OPENED}. */
export const open = (): Promise<BackendSession> =>
  Promise.resolve({ ...OPENED });
/** Opens what must not be opened. */
export const mustNotOpen = (): Promise<BackendSession> =>
  Promise.reject(new Error("opened a second time"));

/** Opens a session. */
export async function opened(
  sessions: Sessions,
  changes: Partial<SessionRequest> = {},
): Promise<{ readonly token: string; readonly session: ClientSession }> {
  const outcome = await sessions.open({ ...REQUEST, ...changes });
  assert(outcome.kind === "opened");
  return { token: outcome.token, session: outcome.claims };
}

/** How a token is received: `live`, or the kind of refusal. */
export async function verdict(
  sessions: Sessions,
  token: string | undefined,
  presenter = ME,
): Promise<string> {
  const outcome = await sessions.verify(token, presenter);
  return outcome.kind === "live" ? "live" : outcome.refusal.kind;
}

/** The kind of refusal that something rejects with. */
export async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await assertRejects(() => work, GatewayError);
  return error.refusal.kind;
}

/** A test that holds on every store. */
export interface Story {
  /** A sentence. */
  readonly name: string;
  /** Proves it. */
  readonly run: (world: World) => Promise<void>;
}

/** Declares a test of each story on each store. */
export function tell(stories: readonly Story[]): void {
  for (const kind of ["memory", "sqlite"] as const) {
    for (const { name, run } of stories) {
      Deno.test(`Sessions on ${kind}: ${name}`, async () => {
        await using world = new World(kind);
        await run(world);
      });
    }
  }
}
