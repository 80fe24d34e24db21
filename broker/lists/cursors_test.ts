import { assert, assertEquals } from "@std/assert";
import { KeyRing } from "../../shared/sessions/keys.ts";
import {
  MAX_TOKEN_LENGTH,
  signStatement,
} from "../../shared/sessions/token.ts";
import { sortKey } from "../catalog/listing.ts";
import { type CursorScope, readCursor, writeCursor } from "./cursors.ts";

const KEYS = new KeyRing(new Uint8Array(32).fill(1));
const SCOPE: CursorScope = { kind: "tools", view: "team/v", holder: "s1" };
const POSITION = { part: "own", after: "b\ud83d" } as const;

Deno.test("a cursor leads back to its position", () => {
  const cursor = writeCursor(KEYS, SCOPE, POSITION);
  assertEquals(readCursor(KEYS, SCOPE, cursor), POSITION);
});

Deno.test("a cursor is good for a while after the key was changed", () => {
  const cursor = writeCursor(KEYS, SCOPE, POSITION);
  const rotated = new KeyRing(
    new Uint8Array(32).fill(2),
    new Uint8Array(32).fill(1),
  );
  assertEquals(readCursor(rotated, SCOPE, cursor), POSITION);
});

const OTHERS: readonly { name: string; scope: Partial<CursorScope> }[] = [
  { name: "another session", scope: { holder: "s2" } },
  { name: "another list", scope: { kind: "prompts" } },
  { name: "another view", scope: { view: "" } },
];
for (const { name, scope } of OTHERS) {
  Deno.test(`a cursor of ${name} is none`, () => {
    const cursor = writeCursor(KEYS, { ...SCOPE, ...scope }, POSITION);
    assertEquals(readCursor(KEYS, SCOPE, cursor), undefined);
  });
}

const own = writeCursor(KEYS, SCOPE, POSITION);
const FORGED = [
  { name: "empty text", cursor: "" },
  { name: "garbage", cursor: "dGhpcyBpcyBub25l" },
  { name: "a server's own", cursor: "2" },
  { name: "one that was altered", cursor: own.replace(/.$/, "!") },
  { name: "one that was cut", cursor: own.slice(0, -1) },
  {
    name: "a statement for something else",
    cursor: signStatement(KEYS, "caller", {
      sub: "s1",
      aud: "team/v",
      list: "tools",
      ...POSITION,
    }),
  },
  {
    name: "one signed with another key",
    cursor: writeCursor(
      new KeyRing(new Uint8Array(32).fill(9)),
      SCOPE,
      POSITION,
    ),
  },
  {
    name: "one without a position",
    cursor: signStatement(KEYS, "cursor", {
      sub: "s1",
      aud: "team/v",
      list: "tools",
      part: "own",
    }),
  },
];
for (const { name, cursor } of FORGED) {
  Deno.test(`no cursor: ${name}`, () => {
    assertEquals(readCursor(KEYS, SCOPE, cursor), undefined);
  });
}

Deno.test("a cursor behind the longest names can be read back", () => {
  const scope = { ...SCOPE, view: `${"n".repeat(253)}/${"n".repeat(253)}` };
  const position = { part: "shared", after: sortKey("\u{ffff}".repeat(8_000)) };
  const cursor = writeCursor(KEYS, scope, position as never);
  assert(cursor.length < MAX_TOKEN_LENGTH, `${cursor.length}`);
  assertEquals<unknown>(readCursor(KEYS, scope, cursor), position);
});
