import { assertEquals, fail } from "@std/assert";
import { type Match, matchName } from "./_fold.ts";

const ENCODER = new TextEncoder();

const TABLE: readonly (readonly [key: string, name: string, want: Match])[] = [
  ["token", "token", "exact"],
  ["to\u212aen", "token", "variant"],
  ["toKen", "token", "variant"],
  ["TOKEN", "token", "variant"],
  ["u\u017fer", "user", "variant"],
  ["u\u017fe\u017f", "uses", "variant"],
  ["u\u017f", "user", "other"],
  ["to\u212a", "tok", "variant"],
  ["to\u212b", "tok", "other"],
  ["tok\u212a", "tok", "other"],
  ["tokens", "token", "other"],
  ["toke", "token", "other"],
  ["", "token", "other"],
  ["requestid", "requestId", "variant"],
  ["requestId", "requestId", "exact"],
  ["_Meta", "_meta", "variant"],
  ["\u007fmeta", "_meta", "other"],
  ["?meta", "_meta", "other"],
  ["id", "id", "exact"],
  ["\u0131d", "id", "other"],
  ["\u0130d", "id", "other"],
  [")d", "id", "other"],
];

for (const [key, name, want] of TABLE) {
  Deno.test(`matchName() finds ${JSON.stringify(key)} ${want} beside ${name}`, () => {
    const bytes = ENCODER.encode(`"${key}"x`);
    const end = bytes.length - 2;
    assertEquals(matchName(bytes, 1, end, ENCODER.encode(name)), want);
  });
}

Deno.test("matchName() agrees with Unicode simple case folding", () => {
  // Every character beside every ASCII letter; `iu` folds as Go does.
  for (const letter of "abcdefghijklmnopqrstuvwxyz") {
    const name = ENCODER.encode(letter);
    const folded = new RegExp(`^${letter}$`, "iu");
    for (let point = 0; point < 0x3000; point++) {
      const key = String.fromCodePoint(point);
      const bytes = ENCODER.encode(key);
      const alike = matchName(bytes, 0, bytes.length, name) !== "other";
      if (alike !== folded.test(key)) {
        fail(`U+${point.toString(16)} beside ${letter}: ${alike}`);
      }
    }
  }
});
