import { assertEquals, assertRejects } from "@std/assert";
import { BenchTool } from "./bench_tools.ts";

Deno.test("said() takes lines of any length, one at a time", async () => {
  const long = "x".repeat(200_000);
  await using tool = new BenchTool("/bin/sh", [
    "-c",
    'printf "1\n2\n"; read -r line; printf "%s\n" "$line"',
  ]);
  assertEquals([await tool.said(), await tool.said()], [1, 2]);
  await tool.tell({ long });
  assertEquals(await tool.said(), { long });
  await assertRejects(() => tool.said(), Error, "ended with code 0");
});
