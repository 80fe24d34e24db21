import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { buildPrograms, gitCommit, variablesOf } from "./build.ts";
import { BuildError } from "./build_error.ts";
import { SYSTEM_DIRECTORIES } from "./permissions.ts";
import { runTool } from "./run_tool.ts";

const BOTH = ["GATEWAY_SIGNING_KEY", "GATEWAY_CONFIG"];
for (
  const { program, own } of [
    { program: "router", own: ["GATEWAY_CATALOG_URL", ...BOTH] },
    { program: "broker", own: ["GATEWAY_ALLOWED_ORIGINS", ...BOTH] },
    { program: "controller", own: ["GATEWAY_SELECTOR"] },
  ] as const
) {
  Deno.test(`variablesOf() a ${program} are those of its options`, async () => {
    const names = await variablesOf(program);
    for (const name of own) {
      assert(names.includes(name), name);
    }
    for (const name of names) {
      assertMatch(name, /^(GATEWAY_[A-Z_]+|KUBERNETES_SERVICE_(HOST|PORT))$/);
    }
  });
}

Deno.test("buildPrograms() refuses another platform than the pair's, and leaves nothing", async () => {
  const dir = await Deno.makeTempDir();
  try {
    await assertRejects(
      () =>
        buildPrograms({
          programs: ["router"],
          out: `${dir}/out`,
          directories: SYSTEM_DIRECTORIES,
          cacheDir: dir,
          runtime: { kind: "pair" },
          target: "aarch64-apple-darwin",
          progress: () => {},
        }),
      BuildError,
      "Cannot build for aarch64-apple-darwin",
    );
    assertEquals(await Array.fromAsync(Deno.readDir(dir)), []);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("gitCommit() is unknown, the commit, or the commit and a mark for changes", async () => {
  const dir = await Deno.makeTempDir();
  const git = async (...args: string[]) => {
    const identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    const { success, text } = await runTool("git", [
      ...["-C", dir, ...identity, "-c", "commit.gpgsign=false"],
      ...args,
    ]);
    assert(success, text);
    return text;
  };
  try {
    await git("init", "--quiet");
    assertEquals(await gitCommit(dir), "unknown");
    await git("commit", "--quiet", "--allow-empty", "--message", "one");
    const commit = await gitCommit(dir);
    assertEquals(commit, await git("rev-parse", "--short=12", "HEAD"));
    await Deno.writeTextFile(`${dir}/new`, "");
    assertEquals(await gitCommit(dir), `${commit}-changed`);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
