import { assert } from "@std/assert";
import { README, withTables } from "./option_tables.ts";

Deno.test("README.md has every option as the code has it", async () => {
  const readme = await Deno.readTextFile(README);
  assert(
    await withTables(readme) === readme,
    "The tables of options in README.md differ from those in code. " +
      "Remedy: deno task gen:options",
  );
});
