import { assertEquals, assertNotEquals } from "@std/assert";
import { randomBytes } from "node:crypto";
import { KeyRing } from "../../../shared/sessions/keys.ts";
import { sealOwned } from "../owner.ts";
import { readState, writeState } from "./request_state.ts";

const KEYS = new KeyRing(new Uint8Array(32).fill(1));
const SEALING = { keys: KEYS, randomBytes };
const BINDING = { identity: "alice", digest: "add" };
const STATE = {
  owner: { broker: "b1", url: "http://10.0.0.1:9090" },
  wait: "w1",
  expiresAt: 1_000,
};
const SEALED = writeState(SEALING, BINDING, STATE);

Deno.test("readState() reads what writeState() wrote", () => {
  assertEquals(readState(KEYS, BINDING, SEALED, 999), STATE);
});

Deno.test("readState() reads what was sealed before the key was changed", () => {
  const after = new KeyRing(
    new Uint8Array(32).fill(2),
    new Uint8Array(32).fill(1),
  );
  assertEquals(readState(after, BINDING, SEALED, 0), STATE);
});

Deno.test("writeState() tells a reader nothing, nor the same twice", () => {
  assertNotEquals(writeState(SEALING, BINDING, STATE), SEALED);
});

const swapped = (at: number) =>
  SEALED.slice(0, at) + (SEALED[at] === "A" ? "B" : "A") + SEALED.slice(at + 1);

const REFUSED: readonly {
  readonly name: string;
  readonly sealed?: string;
  readonly binding?: Partial<typeof BINDING>;
  readonly keys?: KeyRing;
  readonly now?: number;
}[] = [
  { name: "an expired one", now: 1_000 },
  { name: "another caller's", binding: { identity: "bob" } },
  { name: "somebody's for an anonymous caller", binding: { identity: "" } },
  { name: "one of another call", binding: { digest: "remove" } },
  {
    name: "one that another gateway sealed",
    keys: new KeyRing(randomBytes(32)),
  },
  { name: "one that is cut", sealed: SEALED.slice(0, -4) },
  { name: "one in another spelling", sealed: `${SEALED}=` },
  { name: "nothing", sealed: "" },
  { name: "something else", sealed: "?!" },
  { name: "something endless", sealed: "A".repeat(10_000) },
  {
    name: "what was sealed for a session's question",
    sealed: sealOwned(
      SEALING,
      { kind: "question", session: "alice", key: "add" },
      { owner: STATE.owner, what: { wait: "w1", exp: 1_000 } },
    ),
  },
];
for (const { name, sealed, binding, keys, now } of REFUSED) {
  Deno.test(`readState() does not read ${name}`, () => {
    const read = readState(
      keys ?? KEYS,
      { ...BINDING, ...binding },
      sealed ?? SEALED,
      now ?? 0,
    );
    assertEquals(read, undefined);
  });
}

Deno.test("readState() reads no state with any one character changed", () => {
  for (let at = 0; at < SEALED.length; at++) {
    assertEquals(readState(KEYS, BINDING, swapped(at), 0), undefined);
  }
});

Deno.test("readState() reads no state whose last character says the same in other words", () => {
  const alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (const last of alphabet) {
    const other = SEALED.slice(0, -1) + last;
    if (other === SEALED) continue;
    assertEquals(readState(KEYS, BINDING, other, 0), undefined);
  }
});
