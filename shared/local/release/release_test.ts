import { assert, assertEquals, assertRejects } from "@std/assert";
import { BuildError } from "../build/build_error.ts";
import { runTool } from "../build/run_tool.ts";
import { commitToRelease } from "./release.ts";

Deno.test("commitToRelease() wants a commit, and no file that is changed", async () => {
  const dir = await Deno.makeTempDir();
  const git = async (...args: string[]) => {
    const { success, text } = await runTool("git", [
      ...["-C", dir, "-c", "user.name=a", "-c", "user.email=a@example.com"],
      ...["-c", "commit.gpgsign=false", ...args],
    ]);
    assert(success, text);
    return text;
  };
  const refused = (state: string) =>
    assertRejects(
      () => commitToRelease(dir),
      BuildError,
      `Cannot release what is in no commit: it is ${state}`,
    );
  try {
    await git("init", "--quiet");
    await refused("unknown");
    await git("commit", "--quiet", "--allow-empty", "--message", "one");
    const commit = await git("rev-parse", "--short=12", "HEAD");
    assertEquals(await commitToRelease(dir), commit);
    await Deno.writeTextFile(`${dir}/new`, "");
    await refused(`${commit}-changed`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
