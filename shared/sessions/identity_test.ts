import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { type IdentityEvidence, identityOf } from "./identity.ts";

const CONFIG = { header: "X-User" };

function jwt(claims: unknown): string {
  const part = (value: unknown) =>
    Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256" })}.${part(claims)}.c2ln`;
}

function expected(issuer: string, subject: string): string {
  return createHash("sha256").update(`${issuer}\0${subject}`)
    .digest("base64url").slice(0, 22);
}

const ME = { iss: "https://id.example", sub: "me" };
const MINE = expected(ME.iss, ME.sub);
const opaque = (token: string) => expected("\0token", token);

const CASES: readonly {
  name: string;
  evidence: IdentityEvidence;
  want: string;
}[] = [
  { name: "is empty without any evidence", evidence: {}, want: "" },
  {
    name: "is empty for empty headers",
    evidence: { authorization: "", header: " " },
    want: "",
  },
  {
    name: "takes issuer and subject of verified metadata",
    evidence: { jwt: ME },
    want: MINE,
  },
  {
    name: "is the same for the same token, verified or not",
    evidence: { authorization: `Bearer ${jwt({ ...ME, exp: 1 })}` },
    want: MINE,
  },
  {
    name: "knows the scheme in any case",
    evidence: { authorization: `bEARER   ${jwt(ME)} ` },
    want: MINE,
  },
  {
    name: "prefers verified metadata to a token",
    evidence: {
      jwt: ME,
      authorization: `Bearer ${jwt({ ...ME, sub: "you" })}`,
    },
    want: MINE,
  },
  {
    name: "prefers a token to a header",
    evidence: { authorization: `Bearer ${jwt(ME)}`, header: "you" },
    want: MINE,
  },
  {
    name: "goes on to the token where metadata lacks a subject",
    evidence: { jwt: { iss: "x" }, authorization: `Bearer ${jwt(ME)}` },
    want: MINE,
  },
  {
    name: "goes on where metadata is no object",
    evidence: { jwt: "me", header: "me" },
    want: expected("\0header:x-user", "me"),
  },
  {
    name: "takes an opaque token for itself",
    evidence: { authorization: "Bearer s3cret" },
    want: opaque("s3cret"),
  },
  {
    name: "takes a token without a subject for itself",
    evidence: { authorization: `Bearer ${jwt({ iss: "x" })}` },
    want: opaque(jwt({ iss: "x" })),
  },
  {
    name: "takes a token whose subject is a number for itself",
    evidence: { authorization: `Bearer ${jwt({ iss: "x", sub: 1 })}` },
    want: opaque(jwt({ iss: "x", sub: 1 })),
  },
  {
    name: "takes a token whose claims are no JSON for itself",
    evidence: { authorization: "Bearer a.b.c" },
    want: opaque("a.b.c"),
  },
  {
    name: "takes a token whose claims contain NUL for itself",
    evidence: { authorization: `Bearer ${jwt({ iss: "\0token", sub: "x" })}` },
    want: opaque(jwt({ iss: "\0token", sub: "x" })),
  },
  {
    name: "does not read other schemes",
    evidence: { authorization: "Negotiate abc" },
    want: "",
  },
  {
    name: "takes the configured header last",
    evidence: { authorization: "Negotiate abc", header: "me" },
    want: expected("\0header:x-user", "me"),
  },
];

for (const { name, evidence, want } of CASES) {
  Deno.test(`identityOf() ${name}`, () => {
    assertEquals(identityOf(evidence, CONFIG), want);
  });
}

Deno.test("identityOf() ignores a header that is not configured", () => {
  assertEquals(identityOf({ header: "me" }, {}), "");
});

Deno.test("identityOf() keeps issuers, headers and tokens of one name apart", () => {
  const all = [
    identityOf({ jwt: { iss: "a", sub: "bc" } }, {}),
    identityOf({ jwt: { iss: "ab", sub: "c" } }, {}),
    identityOf({ header: "c" }, { header: "ab" }),
    identityOf({ header: "c" }, { header: "x" }),
    identityOf({ authorization: "Bearer c" }, {}),
  ];
  assertEquals(new Set(all).size, all.length);
  for (const identity of all) assertMatch(identity, /^[\w-]{22}$/);
  assertNotEquals(all[0], "");
});
