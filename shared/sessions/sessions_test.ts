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
  countingBytes,
  HOUR,
  KEYS,
  ME,
  MINUTE,
  mustNotOpen,
  open,
  OPENED,
  opened,
  PATIENT,
  quiet,
  refusalOf,
  REQUEST,
  secret,
  SERVER,
  START,
  type Story,
  tell,
  verdict,
  World,
} from "./_testing.ts";
import { type BackendSession, Sessions } from "./sessions.ts";
import { readSession, signSession } from "./token.ts";

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

async function refusalToOpen(sessions: Sessions): Promise<string> {
  const outcome = await sessions.open({ ...REQUEST, identity: "" });
  return outcome.kind === "opened" ? "opened" : outcome.refusal.kind;
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
    name:
      "open() lets anonymous sessions give way that did nothing in a minute, the oldest first",
    run: async (world) => {
      const limits = { total: 3, perIdentity: 3 };
      const [one, two] = [
        await world.replica({ limits }),
        await world.replica({ limits }),
      ];
      const anonymous = { identity: "" };
      const identified = await opened(one);
      const used = await opened(one, anonymous);
      // In the same millisecond: what counts is that it came.
      assertEquals(await verdict(two, used.token), "live");
      const unused = await opened(one, anonymous);
      await world.clock.advance(MINUTE);
      assertEquals(await refusalToOpen(two), "too many sessions");
      await world.clock.advance(1);
      const next = await opened(two, anonymous);
      assertEquals(await refusalToOpen(one), "too many sessions");
      assertEquals(await one.count(), 3);
      for (const { token } of [identified, used, next]) {
        assertEquals(await verdict(one, token), "live");
      }
      // The one that gave way comes back where there is room, and only there.
      assertEquals(await verdict(one, unused.token), "too many sessions");
      await two.end(used.session);
      assertEquals(await verdict(one, unused.token), "live");
    },
  },
  {
    name: "open() never lets a session give way that was taken up again",
    run: async (world) => {
      const limits = { total: 1, perIdentity: 1 };
      const sessions = await world.replica({ limits });
      const elsewhere = await new World("memory").replica();
      const { token } = await opened(elsewhere, { identity: "" });
      assertEquals(await verdict(sessions, token), "live");
      await world.clock.advance(MINUTE + 1);
      assertEquals(await refusalToOpen(sessions), "too many sessions");
      assertEquals(await verdict(sessions, token), "live");
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
    name:
      "keep() keeps a session alive, and tells when another replica ended it",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { token, session } = await opened(one);
      await world.clock.advance(20 * MINUTE);
      assertEquals(await two.keep(session), true);
      await world.clock.advance(20 * MINUTE);
      assertEquals(await verdict(one, token), "live");
      await one.end(session);
      assertEquals(await two.keep(session), false);
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
    name: "verify() never takes up what was ended after the store lost it",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { token, session } = await opened(
        await new World("memory").replica(),
      );
      assertEquals(await one.end(session), []);
      assertEquals(await verdict(two, token), "session unknown");
      assertEquals(await two.count(), 0);
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
    name: "everything that needs the store says where it is unavailable",
    run: async (world) => {
      const sessions = await world.replica();
      const { token, session } = await opened(sessions);
      await sessions.backend(session, SERVER, open, PATIENT);
      assertEquals(await verdict(sessions, token), "live");
      world.down = "everything";
      for (
        const [name, ask] of Object.entries({
          open: () => sessions.open(REQUEST),
          verify: () => sessions.verify(token, ME),
          touch: () => sessions.touch(session),
          details: () => sessions.details(session),
          end: () => sessions.end(session),
          backend: () => sessions.backend(session, SERVER, open, PATIENT),
          forget: () => sessions.forget(session, SERVER, OPENED),
          sweep: () => sessions.sweep(),
          count: () => sessions.count(),
        })
      ) {
        assertEquals([name, await refusalOf(ask())], [
          name,
          "store unavailable",
        ]);
      }
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
    name:
      "replicas on either side of a rotation take what the other signs and seals",
    run: async (world) => {
      const not = await world.replica({
        keys: new KeyRing(secret(1), secret(2)),
      });
      const yet = await world.replica({
        keys: new KeyRing(secret(2), secret(1)),
      });
      for (const [one, two] of [[not, yet], [yet, not]] as const) {
        const { token, session } = await opened(one);
        assertEquals(await verdict(two, token), "live");
        await one.backend(session, SERVER, open, PATIENT);
        const seen = await two.backend(session, SERVER, mustNotOpen, PATIENT);
        assertEquals(await two.forget(session, SERVER, seen), true);
        assertEquals(await one.backendWith(session, SERVER), undefined);
        await one.setLogLevel(session, "debug");
        assertEquals((await two.standing(session)).logLevel, "debug");
        await two.end(session);
        assertEquals(await verdict(one, token), "session unknown");
      }
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
      // Whatever it waits for, it never does anything again.
      const forever = () => new Promise<never>(() => {});
      const dying = await world.replica({ wait: forever });
      dying.backend(session, SERVER, forever, PATIENT).catch(() => {});
      await quiet();
      const call = sessions.backend(session, SERVER, open, PATIENT);
      await world.clock.advance(6_999);
      assertEquals(await sessions.backendWith(session, SERVER), undefined);
      await world.clock.advance(PATIENT.deadlineMs - 7_000);
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
      await world.clock.advance(6_000);
      assertEquals(world.orphans, []);
      await world.clock.advance(1_000);
      assertEquals(world.orphans, [[OPENED, "weather"]]);
      assertEquals(world.clock.waiting, 0);
    },
  },
  {
    name: "backend() keeps what it opened where the store is back in time",
    run: async (world) => {
      for (const heard of [false, true]) {
        const [one, two] = [await world.replica(), await world.replica()];
        const { session } = await opened(one);
        const slow = handshake();
        const call = refusalOf(
          one.backend(session, SERVER, slow.open, PATIENT),
        );
        await quiet();
        if (heard) world.mute = ["fulfil"];
        else world.down = "everything";
        slow.succeed({ ...OPENED });
        assertEquals(await call, "store unavailable");
        world.mute = [];
        world.down = "nothing";
        const next = two.backend(session, SERVER, mustNotOpen, PATIENT);
        await world.clock.advance(1_000);
        assertEquals(await next, OPENED);
        assertEquals(world.orphans, []);
        assertEquals(world.clock.waiting, 0);
      }
    },
  },
  {
    name:
      "backend() closes what it opened where the store is back when another one is open",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const slow = handshake();
      const call = refusalOf(one.backend(session, SERVER, slow.open, PATIENT));
      await world.clock.advance(1_900);
      world.down = "everything";
      slow.succeed({ ...OPENED });
      assertEquals(await call, "store unavailable");
      // Past the lease, and before it asks again.
      await world.clock.advance(5_150);
      world.down = "nothing";
      const fresh = { ...OPENED, id: "b2" };
      const openFresh = () => Promise.resolve(fresh);
      assertEquals(
        await two.backend(session, SERVER, openFresh, PATIENT),
        fresh,
      );
      assertEquals(world.orphans, []);
      await world.clock.advance(250);
      assertEquals(world.orphans, [[OPENED, "weather"]]);
      assertEquals(await one.backendWith(session, SERVER), fresh);
    },
  },
  {
    name: "backend() leaves no claim behind that the store did not confirm",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      world.mute = ["claim"];
      assertEquals(
        await refusalOf(one.backend(session, SERVER, mustNotOpen, PATIENT)),
        "store unavailable",
      );
      world.mute = [];
      const next = two.backend(session, SERVER, open, PATIENT);
      await world.clock.advance(1_000);
      assertEquals(await next, OPENED);
    },
  },
  {
    name: "backend() leaves no claim behind that it could not release",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const failing = handshake();
      const call = refusalOf(
        one.backend(session, SERVER, failing.open, PATIENT),
      );
      await quiet();
      world.down = "everything";
      failing.fail(new GatewayError({ kind: "server unreachable" }));
      assertEquals(await call, "server unreachable");
      await world.clock.advance(3_000);
      world.down = "nothing";
      const next = two.backend(session, SERVER, open, PATIENT);
      await world.clock.advance(1_000);
      assertEquals(await next, OPENED);
    },
  },
  {
    name: "backend() takes a session up again that the store lost meanwhile",
    run: async (world) => {
      const sessions = await world.replica();
      const elsewhere = await new World("memory").replica();
      const { session } = await opened(elsewhere);
      assertEquals(
        await sessions.backend(session, SERVER, open, PATIENT),
        OPENED,
      );
      assertEquals(await sessions.count(), 1);
      await sessions.end(session);
      assertEquals(
        await refusalOf(
          sessions.backend(session, SERVER, mustNotOpen, PATIENT),
        ),
        "session unknown",
      );
    },
  },
  {
    name: "backend() never takes up again what is over",
    run: async (world) => {
      const sessions = await world.replica();
      const { session } = await opened(await new World("memory").replica());
      await world.clock.advance(24 * HOUR);
      assertEquals(
        await refusalOf(
          sessions.backend(session, SERVER, mustNotOpen, PATIENT),
        ),
        "session unknown",
      );
      assertEquals(await sessions.count(), 0);
    },
  },
  {
    name: "backendWith() and backends() answer what is open, and open nothing",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      assertEquals(await two.backendWith(session, SERVER), undefined);
      assertEquals(await two.backends(session), []);
      const before = two.revision();
      await one.backend(session, SERVER, open, PATIENT);
      assertNotEquals(two.revision(), before);
      const found = await two.backendWith(session, SERVER);
      assertEquals(found, OPENED);
      assertEquals(await two.backends(session), [
        { server: SERVER, backend: OPENED },
      ]);
      const newer = { ...SERVER, fingerprint: "f2" };
      assertEquals(await two.backendWith(session, newer), undefined);
      assert(found !== undefined);
      assertEquals(await two.forget(session, SERVER, found), true);
      assertEquals(await one.backendWith(session, SERVER), undefined);
      assertEquals(await one.backends(session), []);
      world.down = "everything";
      assertEquals(one.revision(), undefined);
      for (
        const answer of [
          one.backends(session),
          one.backendWith(session, SERVER),
        ]
      ) assertEquals(await refusalOf(answer), "store unavailable");
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

tell(STORIES);

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
