/**
 * That the documentation has every reason, as the table has it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { CONDITION_TYPES, REASONS } from "./reasons.ts";

Deno.test("manifests/CONDITIONS.md has every reason, in the table's order and words", async () => {
  const text = await Deno.readTextFile(
    new URL("../../manifests/CONDITIONS.md", import.meta.url),
  );
  const documented = text.split(/^### /m).slice(1).flatMap((section) => {
    const [condition = "", ...lines] = section.split("\n");
    return lines.flatMap((line) => {
      const row = /^\| `(\w+)`\s*\| (\w+)\s*\| (.*?)\s*\|$/.exec(line);
      return row === null ? [] : [[condition, ...row.slice(1)]];
    });
  });
  const reasons = Object.entries(REASONS);
  assertEquals(
    documented,
    CONDITION_TYPES.flatMap((type) =>
      reasons.filter(([, { condition }]) => condition === type).map((
        [reason, { condition, status, meaning }],
      ) => [condition, reason, status, meaning])
    ),
  );
});
