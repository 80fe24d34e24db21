import { assertEquals, assertThrows } from "@std/assert";
import { parseExactly } from "./parse_exactly.ts";

for (
  const text of [
    "9007199254740993",
    "-18446744073709551615",
    "0.1000000000000000055511151231257827",
    '{"a":[{"b":12345678901234567890}],"c":"12345678901234567890"}',
  ]
) {
  Deno.test(`parseExactly() lets JSON.stringify() write ${text} again`, () => {
    assertEquals(JSON.stringify(parseExactly(text)), text);
  });
}

Deno.test("parseExactly() gives numbers that doubles hold as numbers", () => {
  assertEquals(parseExactly('[1,-2.5,9007199254740991,"9007199254740993"]'), [
    1,
    -2.5,
    9007199254740991,
    "9007199254740993",
  ]);
});

Deno.test("parseExactly() refuses what is not JSON, with long numbers or without", () => {
  for (const text of ["{", "[12345678901234567890", ""]) {
    assertThrows(() => parseExactly(text), SyntaxError);
  }
});
