import { assertEquals } from "@std/assert";
import { CALLER_VALID_MS, readCaller, signCaller } from "./caller.ts";
import { KeyRing } from "./keys.ts";
import { signStatement } from "./token.ts";

const KEYS = new KeyRing(new Uint8Array(32).fill(1));
const OTHER = new KeyRing(new Uint8Array(32).fill(2));
const NOW = 1_700_000_000_000;

for (
  const caller of [
    { identity: "", route: "/mcp" },
    { identity: "me", route: "/mcp/team/travel", virtualServer: "team/travel" },
  ]
) {
  Deno.test(`readCaller() reads what signCaller() wrote for "${caller.identity}"`, () => {
    assertEquals(readCaller(KEYS, signCaller(KEYS, caller, NOW), NOW), {
      ...caller,
      expiresAt: NOW + CALLER_VALID_MS,
    });
  });
}

const CALLER = { identity: "me", route: "/mcp" };

Deno.test("readCaller() accepts a statement for a request and five minutes of clock skew", () => {
  const header = signCaller(KEYS, CALLER, NOW);
  assertEquals(readCaller(KEYS, header, NOW + 359_999)?.identity, "me");
  assertEquals(readCaller(KEYS, header, NOW + 360_000), undefined);
});

const GOOD = { sub: "me", aud: "/mcp", exp: NOW + 1 };

const REFUSED: readonly { name: string; header: string }[] = [
  { name: "nothing", header: "" },
  { name: "another key's", header: signCaller(OTHER, CALLER, NOW) },
  { name: "a session's", header: signStatement(KEYS, "session", GOOD) },
  {
    name: "one without an identity",
    header: signStatement(KEYS, "caller", { ...GOOD, sub: undefined }),
  },
  {
    name: "one without a route",
    header: signStatement(KEYS, "caller", { ...GOOD, aud: undefined }),
  },
  {
    name: "one with an odd virtual server",
    header: signStatement(KEYS, "caller", { ...GOOD, vs: 1 }),
  },
  {
    name: "one without an end",
    header: signStatement(KEYS, "caller", { ...GOOD, exp: undefined }),
  },
];

for (const { name, header } of REFUSED) {
  Deno.test(`readCaller() refuses ${name}`, () => {
    assertEquals(readCaller(KEYS, header, NOW), undefined);
  });
}
