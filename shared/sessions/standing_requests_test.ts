import { assert, assertEquals } from "@std/assert";
import { LIMITS } from "../limits.ts";
import {
  HOUR,
  opened,
  refusalOf,
  secret,
  type Story,
  tell,
  World,
} from "./_testing.ts";
import { KeyRing } from "./keys.ts";
import type { ClientSession, Subscription } from "./sessions.ts";

const NEWS: Subscription = { server: "press", uri: "news://today" };
const RAIN: Subscription = { server: "weather", uri: "rain://oslo?q=1" };
/** The same URI, of another server. */
const OTHER_NEWS: Subscription = { server: "rival", uri: NEWS.uri };

const STORIES: readonly Story[] = [
  {
    name: "standing() answers what any replica was told last",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const { session: another } = await opened(one);
      assertEquals(await two.standing(session), { subscriptions: [] });
      await one.setLogLevel(session, "debug");
      await two.setLogLevel(session, "warning");
      for (const sessions of [one, two]) {
        await sessions.subscribe(session, NEWS);
        await sessions.subscribe(session, RAIN);
      }
      await two.subscribe(session, OTHER_NEWS);
      await one.unsubscribe(session, RAIN);
      await two.unsubscribe(session, RAIN);
      const { logLevel, subscriptions } = await one.standing(session);
      assertEquals(logLevel, "warning");
      assertEquals(sorted(subscriptions), [NEWS, OTHER_NEWS]);
      assertEquals(await two.standing(another), { subscriptions: [] });
    },
  },
  {
    name: "setListener() tells all replicas where the newest GET stream is",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const second = { broker: "second", url: "http://10.0.0.2:9090" };
      await one.setListener(session, { broker: "first" });
      await two.setListener(session, second);
      await one.setLogLevel(session, "debug");
      assertEquals(await one.standing(session), {
        logLevel: "debug",
        subscriptions: [],
        listener: second,
      });
      assertEquals(await one.listener(session), second);
      await one.setListener(session, undefined);
      await one.setListener(session, undefined);
      assertEquals(await two.listener(session), undefined);
      assertEquals((await two.standing(session)).listener, undefined);
      await one.end(session);
      assertEquals(
        await refusalOf(one.setListener(session, second)),
        "session unknown",
      );
    },
  },
  {
    name: "bridges() answers every broker that has calls of a session in hand",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      const { session: another } = await opened(one);
      const [first, second] = [
        { broker: "first" },
        { broker: "second", url: "http://10.0.0.2:9090" },
      ];
      assertEquals(await one.bridges(session), []);
      await one.addBridge(session, first);
      await one.addBridge(session, first);
      await two.addBridge(session, second);
      await one.setListener(session, first);
      const brokers = await one.bridges(session);
      assertEquals(
        brokers.toSorted((a, b) => a.broker < b.broker ? -1 : 1),
        [first, second],
      );
      assertEquals(await two.bridges(another), []);
      assertEquals(await two.standing(session), {
        subscriptions: [],
        listener: first,
      });
      await one.end(session);
      assertEquals(
        await refusalOf(one.addBridge(session, first)),
        "session unknown",
      );
    },
  },
  {
    name:
      "logLevel() answers the level that was set last, and no other request",
    run: async (world) => {
      const [one, two] = [await world.replica(), await world.replica()];
      const { session } = await opened(one);
      await one.subscribe(session, NEWS);
      assertEquals(await two.logLevel(session), undefined);
      await one.setLogLevel(session, "debug");
      await two.setLogLevel(session, "error");
      assertEquals(await one.logLevel(session), "error");
    },
  },
  {
    name: "subscribe() loses nothing where replicas subscribe at once",
    run: async (world) => {
      const replicas = [await world.replica(), await world.replica()];
      const { session } = await opened(replicas[0]!);
      await Promise.all(
        Array.from(
          { length: 40 },
          (_, i) =>
            replicas[i % 2]!.subscribe(session, {
              server: "press",
              uri: `news://${i}`,
            }),
        ),
      );
      const { subscriptions } = await replicas[0]!.standing(session);
      assertEquals(subscriptions.length, 40);
    },
  },
  {
    name: "subscribe() keeps its limits, and the log level is not one of them",
    run: async (world) => {
      const sessions = await world.replica();
      const { session } = await opened(sessions);
      const { session: another } = await opened(sessions);
      const nth = (i: number) => ({ server: "press", uri: `news://${i}` });
      for (let i = 0; i < LIMITS.subscriptionsPerSession; i++) {
        await sessions.subscribe(session, nth(i));
      }
      assertEquals(
        await refusalOf(sessions.subscribe(session, NEWS)),
        "too many subscriptions",
      );
      await sessions.setLogLevel(session, "info");
      await sessions.subscribe(session, nth(0));
      await sessions.subscribe(another, NEWS);
      await sessions.unsubscribe(session, nth(0));
      await sessions.subscribe(session, NEWS);
      const uri = `x:${"ü".repeat(LIMITS.subscriptionUriBytes / 2 - 1)}`;
      await sessions.subscribe(another, { ...NEWS, uri });
      assertEquals(
        await refusalOf(
          sessions.subscribe(another, { ...NEWS, uri: `${uri}x` }),
        ),
        "invalid params",
      );
    },
  },
  {
    name: "standing requests end with their session",
    run: async (world) => {
      const sessions = await world.replica();
      const { session } = await opened(sessions);
      await sessions.subscribe(session, NEWS);
      await sessions.end(session);
      assertEquals(await sessions.standing(session), { subscriptions: [] });
      for (
        const change of [
          () => sessions.setLogLevel(session, "debug"),
          () => sessions.subscribe(session, NEWS),
          () => sessions.unsubscribe(session, NEWS),
        ]
      ) assertEquals(await refusalOf(change()), "session unknown");
    },
  },
  {
    name: "standing requests are kept for a session that the store lost",
    run: async (world) => {
      const sessions = await world.replica();
      const elsewhere = await new World("memory").replica();
      for (
        const ask of [
          (session) => sessions.setLogLevel(session, "debug"),
          (session) => sessions.subscribe(session, NEWS),
          (session) => sessions.unsubscribe(session, NEWS),
        ] satisfies ((session: ClientSession) => Promise<void>)[]
      ) {
        const { session } = await opened(elsewhere);
        await ask(session);
        await sessions.subscribe(session, RAIN);
        const { subscriptions } = await sessions.standing(session);
        assert(subscriptions.some(({ uri }) => uri === RAIN.uri));
      }
      const { session: over } = await opened(elsewhere);
      await world.clock.advance(24 * HOUR);
      assertEquals(
        await refusalOf(sessions.subscribe(over, NEWS)),
        "session unknown",
      );
    },
  },
  {
    name: "standing requests say that the store is unavailable",
    run: async (world) => {
      const sessions = await world.replica();
      const { session } = await opened(sessions);
      world.down = "everything";
      for (
        const ask of [
          () => sessions.standing(session),
          () => sessions.setLogLevel(session, "debug"),
          () => sessions.subscribe(session, NEWS),
          () => sessions.unsubscribe(session, NEWS),
        ]
      ) assertEquals(await refusalOf(ask()), "store unavailable");
    },
  },
  {
    name: "standing requests outlive one rotation of the key, and no second",
    run: async (world) => {
      const before = await world.replica();
      const { session } = await opened(before);
      await before.setLogLevel(session, "debug");
      await before.subscribe(session, NEWS);
      await before.subscribe(session, RAIN);
      const rotated = await world.replica({
        keys: new KeyRing(secret(2), secret(1)),
      });
      // Under the new key, it is the very same one.
      await rotated.subscribe(session, NEWS);
      await rotated.unsubscribe(session, RAIN);
      assertEquals(await rotated.standing(session), {
        logLevel: "debug",
        subscriptions: [NEWS],
      });
      const done = await world.replica({ keys: new KeyRing(secret(2)) });
      assertEquals(await done.standing(session), { subscriptions: [NEWS] });
    },
  },
  {
    name: "the store tells neither what is subscribed to nor by how many",
    run: async (world) => {
      const sessions = await world.replica();
      const store = await world.store();
      const keys: string[] = [];
      for (let i = 0; i < 2; i++) {
        const { session } = await opened(sessions);
        await sessions.subscribe(session, NEWS);
        await sessions.setLogLevel(session, "emergency");
        for (const { key, data } of await store.notes(session.id)) {
          const text = key + new TextDecoder().decode(data);
          for (const word of ["news", "press", "emergency"]) {
            assert(!text.includes(word), word);
          }
          keys.push(key);
        }
      }
      assertEquals(new Set(keys).size, 3); // that of log levels is empty
    },
  },
];

function sorted(subscriptions: readonly Subscription[]): Subscription[] {
  return subscriptions.toSorted((a, b) => a.server.localeCompare(b.server));
}

tell(STORIES);
