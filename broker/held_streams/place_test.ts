import { assertEquals } from "@std/assert";
import { SILENT } from "../../shared/_testing.ts";
import { GatewayError } from "../../shared/errors.ts";
import type {
  ClientSession,
  Listener,
} from "../../shared/sessions/sessions.ts";
import { placeInStore } from "./place.ts";

const SESSION = { id: "one" } as ClientSession;
const OTHER = { id: "two" } as ClientSession;

/** Two brokers and the store that they share. */
function world() {
  const listeners = new Map<string, Listener | undefined>();
  const state = { away: false };
  const asked = () =>
    state.away
      ? Promise.reject(new GatewayError({ kind: "store unavailable" }))
      : Promise.resolve();
  const sessions = {
    async listener({ id }: ClientSession) {
      await asked();
      return listeners.get(id);
    },
    async setListener({ id }: ClientSession, listener: Listener | undefined) {
      await asked();
      listeners.set(id, listener);
    },
  };
  const at = (broker: string) => placeInStore(sessions, { broker }, SILENT);
  return { state, listeners, first: at("first"), second: at("second") };
}

Deno.test("a client listens where it opened its newest stream", async () => {
  const { first, second } = world();
  await first.claim(SESSION);
  assertEquals(await second.isHere(SESSION), false);
  await second.claim(SESSION);
  assertEquals(await first.isHere(SESSION), false);
  assertEquals(await second.isHere(SESSION), true);
  await first.claim(OTHER);
  assertEquals(await second.isHere(SESSION), true);
});

Deno.test("who still listens takes over from a broker that the client left", async () => {
  const { first, second } = world();
  await first.claim(SESSION);
  await second.claim(SESSION);
  await second.leave(SESSION);
  assertEquals(await first.isHere(SESSION), true);
  assertEquals(await second.isHere(SESSION), false);
});

Deno.test("a broker that the client left says nothing of another one", async () => {
  const { first, second, listeners } = world();
  await first.claim(SESSION);
  await second.claim(SESSION);
  await first.leave(SESSION);
  assertEquals(listeners.get("one"), { broker: "second" });
});

Deno.test("while the store is away every broker takes itself for the one", async () => {
  const { first, second, state } = world();
  await first.claim(SESSION);
  state.away = true;
  await second.claim(SESSION);
  assertEquals(await first.isHere(SESSION), true);
  assertEquals(await second.isHere(SESSION), true);
  await first.leave(SESSION);
});
