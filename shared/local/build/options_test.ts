import { assertEquals } from "@std/assert";
import { parseOptions } from "../../options.ts";
import { fromOptions, type Runtime } from "./build.ts";
import { BUILD_OPTIONS } from "./options.ts";
import { SYSTEM_DIRECTORIES } from "./permissions.ts";

function read(args: string[], env: Record<string, string> = {}) {
  const outcome = parseOptions(
    BUILD_OPTIONS,
    args,
    new Map(Object.entries(env)),
  );
  return outcome.kind === "options" ? fromOptions(outcome.values) : outcome;
}

Deno.test("the build's options make executables for the system's directories in dist", () => {
  assertEquals(read([]), {
    out: "dist",
    directories: SYSTEM_DIRECTORIES,
    runtime: { kind: "download" },
    variables: [],
  });
});

Deno.test("the build's options put executables for another platform into a folder of its own", () => {
  const target = "aarch64-unknown-linux-gnu";
  assertEquals(read(["--target", target, "--out", "/o", "--commit", "4f2a"]), {
    out: `/o/${target}`,
    target,
    commit: "4f2a",
    directories: SYSTEM_DIRECTORIES,
    runtime: { kind: "download" },
    variables: [],
  });
});

const RUNTIMES: readonly {
  readonly name: string;
  readonly args: string[];
  readonly env: Record<string, string>;
  readonly want: Runtime;
}[] = [
  { name: "--pair", args: ["--pair"], env: {}, want: { kind: "pair" } },
  {
    name: "DENORT_BIN",
    args: [],
    env: { DENORT_BIN: "/d" },
    want: { kind: "file", denort: "/d" },
  },
];

for (const { name, args, env, want } of RUNTIMES) {
  Deno.test(`the build's options take the runtime from ${name}`, () => {
    const options = read(args, env);
    assertEquals("runtime" in options && options.runtime, want);
  });
}

for (
  const dir of ["relative", "/", "/a/", "/a//b", "/a/./b", "/a/../b", "/a,/b"]
) {
  Deno.test(`the build's options refuse the directory ${dir}`, () => {
    const outcome = read(["--state-dir", dir]);
    assertEquals("kind" in outcome && outcome.kind, "invalid");
  });
}
