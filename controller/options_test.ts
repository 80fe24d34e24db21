import { assert, assertEquals } from "@std/assert";
import { describeOptions } from "../shared/options.ts";
import { CONTROLLER_OPTIONS } from "./options.ts";

Deno.test("manifests/README.md names options that there are", async () => {
  const text = await Deno.readTextFile(
    new URL("../manifests/README.md", import.meta.url),
  );
  const [, table = ""] = text.split("## The controller's options");
  const named = table.split("\n## ")[0]?.match(/--[a-z][a-z-]*/g) ?? [];
  assert(named.length > 5);
  const flags = describeOptions(CONTROLLER_OPTIONS).map(({ flag }) =>
    flag?.split(" ")[0]
  );
  assertEquals(
    named.filter((name) => name !== "--help" && !flags.includes(name)),
    [],
  );
});
