import { Buffer } from "node:buffer";
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { KeyRing } from "./keys.ts";
import {
  readSession,
  readStatement,
  type SessionClaims,
  signSession,
  signStatement,
  type Statement,
} from "./token.ts";

const secret = (fill: number) => new Uint8Array(32).fill(fill);
const KEYS = new KeyRing(secret(1));
const NOW = 1_700_000_000;

const CLAIMS: SessionClaims = {
  id: "AAAAAAAAAAAAAAAAAAAAAA",
  identity: "me",
  route: "/mcp/team/travel",
  revision: "2025-11-25",
  capabilities: { roots: { listChanged: true }, elicitation: {} },
  issuedAt: NOW,
  expiresAt: NOW + 3600,
};

const claimsArbitrary: fc.Arbitrary<SessionClaims> = fc.record({
  id: fc.uint8Array({ minLength: 16, maxLength: 16 })
    .map((bytes) => Buffer.from(bytes).toString("base64url")),
  identity: fc.constantFrom("", "me", "ÿ\0"),
  route: fc.webPath(),
  revision: fc.constantFrom("2025-11-25", "2025-06-18", "2025-03-26"),
  capabilities: fc.constantFrom({}, { sampling: {} }, CLAIMS.capabilities),
  issuedAt: fc.constant(NOW),
  expiresAt: fc.constant(NOW + 1),
});

Deno.test("readSession() reads what signSession() wrote", () => {
  fc.assert(fc.property(claimsArbitrary, (claims) => {
    assertEquals(readSession(KEYS, signSession(KEYS, claims), NOW), claims);
  }));
});

Deno.test("readSession() refuses a token with any one byte changed", () => {
  fc.assert(
    fc.property(
      claimsArbitrary,
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (claims, at, change) => {
        const bytes = Buffer.from(signSession(KEYS, claims), "latin1");
        const index = at % bytes.length;
        bytes[index] = (bytes[index] ?? 0) ^ change;
        assertEquals(
          readSession(KEYS, bytes.toString("latin1"), NOW),
          undefined,
        );
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("readSession() refuses every other spelling of the last character", () => {
  const token = signSession(KEYS, CLAIMS);
  const alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/=.";
  const accepted = [...alphabet].filter((last) =>
    readSession(KEYS, token.slice(0, -1) + last, NOW) !== undefined
  );
  assertEquals(accepted, [token.slice(-1)]);
});

const TOKEN = signSession(KEYS, CLAIMS);
const [VERSION, KID, PAYLOAD, MAC] = TOKEN.split(".");

const MISSHAPEN: readonly { name: string; token: string }[] = [
  { name: "nothing", token: "" },
  { name: "white space around", token: ` ${TOKEN}` },
  { name: "a line end", token: `${TOKEN}\n` },
  { name: "padding", token: `${TOKEN}=` },
  { name: "a fifth part", token: `${TOKEN}.` },
  { name: "no MAC", token: `${VERSION}.${KID}.${PAYLOAD}` },
  { name: "an empty MAC", token: `${VERSION}.${KID}.${PAYLOAD}.` },
  { name: "an empty payload", token: `${VERSION}.${KID}..${MAC}` },
  { name: "another version", token: TOKEN.replace("v1", "v2") },
  {
    name: "an unknown key",
    token: `${VERSION}.AAAAAAAA.${PAYLOAD}.${MAC}`,
  },
  { name: "a JSON Web Token", token: "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9." },
];

for (const { name, token } of MISSHAPEN) {
  Deno.test(`readSession() refuses a token with ${name}`, () => {
    assertEquals(readSession(KEYS, token, NOW), undefined);
  });
}

const GOOD = {
  jti: CLAIMS.id,
  sub: "me",
  aud: "/mcp",
  rev: "2025-11-25",
  cap: {},
  iat: NOW,
  exp: NOW + 60,
};

const STATEMENTS: readonly {
  name: string;
  statement: Statement;
  accepted: boolean;
}[] = [
  { name: "everything", statement: GOOD, accepted: true },
  {
    name: "a clock 5 minutes ahead",
    statement: { ...GOOD, iat: NOW + 300, exp: NOW + 900 },
    accepted: true,
  },
  {
    name: "a clock further ahead",
    statement: { ...GOOD, iat: NOW + 301, exp: NOW + 900 },
    accepted: false,
  },
  {
    name: "an end that has come",
    statement: { ...GOOD, exp: NOW },
    accepted: false,
  },
  {
    name: "more than 4 KiB in all",
    statement: { ...GOOD, note: "x".repeat(4000) },
    accepted: false,
  },
  { name: "no id", statement: { ...GOOD, jti: undefined }, accepted: false },
  { name: "a short id", statement: { ...GOOD, jti: "A" }, accepted: false },
  { name: "no identity", statement: { ...GOOD, sub: null }, accepted: false },
  { name: "no route", statement: { ...GOOD, aud: 1 }, accepted: false },
  {
    name: "a revision of the other era",
    statement: { ...GOOD, rev: "2026-07-28" },
    accepted: false,
  },
  {
    name: "capabilities in a list",
    statement: { ...GOOD, cap: [] },
    accepted: false,
  },
  { name: "no start", statement: { ...GOOD, iat: "now" }, accepted: false },
  {
    name: "an endless end",
    statement: { ...GOOD, exp: 1e300 },
    accepted: false,
  },
];

for (const { name, statement, accepted } of STATEMENTS) {
  const verb = accepted ? "accepts" : "refuses";
  Deno.test(`readSession() ${verb} a signed statement with ${name}`, () => {
    const token = signStatement(KEYS, "session", statement);
    assertEquals(readSession(KEYS, token, NOW) !== undefined, accepted);
  });
}

Deno.test("readStatement() refuses what was signed for another purpose", () => {
  const token = signStatement(KEYS, "caller", GOOD);
  assertEquals(readStatement(KEYS, "session", token), undefined);
  assert(readStatement(KEYS, "caller", token));
});

Deno.test("signStatement() lets no member overrule issuer and purpose", () => {
  const token = signStatement(KEYS, "caller", { iss: "x", use: "session" });
  assertEquals(readStatement(KEYS, "caller", token)?.use, "caller");
});

Deno.test("readSession() accepts the previous key and signs with the current", () => {
  const old = new KeyRing(secret(1));
  const rotated = new KeyRing(secret(2), secret(1));
  const done = new KeyRing(secret(2));
  const before = signSession(old, CLAIMS);
  const after = signSession(rotated, CLAIMS);
  const accepts = (keys: KeyRing, token: string) =>
    readSession(keys, token, NOW) !== undefined;
  assertEquals(accepts(rotated, before), true);
  assertEquals(accepts(done, before), false);
  assertEquals(accepts(done, after), true);
  assertEquals(accepts(old, after), false);
});

Deno.test("signSession() refuses claims that no token can hold", () => {
  const capabilities = { experimental: { note: "x".repeat(4000) } };
  assertThrows(
    () => signSession(KEYS, { ...CLAIMS, capabilities }),
    RangeError,
    "at most 4096",
  );
});
