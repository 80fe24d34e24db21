import { assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { KeyRing } from "./keys.ts";
import { seal, type SealedPlace, unseal } from "./seal.ts";

const secret = (fill: number) => new Uint8Array(32).fill(fill);
const KEYS = new KeyRing(secret(1));
const random = (length: number) =>
  crypto.getRandomValues(new Uint8Array(length));
const PLACE = { kind: "backend", session: "s", key: "one" } as const;
const VALUE = { id: "backend-session-id", revision: "2025-06-18" };

Deno.test("unseal() opens what seal() closed", () => {
  fc.assert(fc.property(fc.json(), (json) => {
    const value = JSON.parse(json);
    assertEquals(unseal(KEYS, PLACE, seal(KEYS, PLACE, value, random)), value);
  }));
});

Deno.test("seal() shows nothing of the value and never twice the same", () => {
  const [one, two] = [1, 2].map(() => seal(KEYS, PLACE, VALUE, random));
  assertEquals(new TextDecoder().decode(one).includes("backend"), false);
  assertNotEquals(one, two);
});

Deno.test("unseal() refuses a value with any one byte changed, or cut", () => {
  const sealed = seal(KEYS, PLACE, VALUE, random);
  for (let index = 0; index < sealed.length; index++) {
    const changed = sealed.slice();
    changed[index] = (changed[index] ?? 0) ^ 1;
    assertEquals(unseal(KEYS, PLACE, changed), undefined);
    assertEquals(unseal(KEYS, PLACE, sealed.slice(0, index)), undefined);
  }
});

const ELSEWHERE: readonly SealedPlace[] = [
  { ...PLACE, session: "t" },
  { ...PLACE, key: "two" },
  { ...PLACE, kind: "details" },
  { ...PLACE, kind: "note" },
  { kind: "backend", session: "s" },
];

for (const place of ELSEWHERE) {
  Deno.test(`unseal() refuses a value moved to ${JSON.stringify(place)}`, () => {
    const sealed = seal(KEYS, PLACE, VALUE, random);
    assertEquals(unseal(KEYS, place, sealed), undefined);
  });
}

Deno.test("unseal() accepts the previous key and no older one", () => {
  const sealed = seal(KEYS, PLACE, VALUE, random);
  const rotated = new KeyRing(secret(2), secret(1));
  const done = new KeyRing(secret(3), secret(2));
  assertEquals(unseal(rotated, PLACE, sealed), VALUE);
  assertEquals(unseal(done, PLACE, sealed), undefined);
  assertEquals(
    unseal(done, PLACE, seal(rotated, PLACE, VALUE, random)),
    VALUE,
  );
});
