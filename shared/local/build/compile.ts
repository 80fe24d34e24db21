/**
 * Makes an executable of a bundle, and sees that it runs.
 *
 * @module
 */

import { BuildError } from "./build_error.ts";
import { runTool } from "./run_tool.ts";

/** What to compile. */
export interface CompileOptions {
  /** Name of the program. */
  readonly program: string;
  /** File of the bundle to run; all of its folder is the bundle. */
  readonly bundle: string;
  /** Path of the executable to make, absolute. */
  readonly out: string;
  /** Path of the Deno that compiles. */
  readonly deno: string;
  /** Path of the runtime that it takes; its own, downloaded, where left out. */
  readonly denort?: string;
  /** Platform as `deno compile --target` names it; this one where left out. */
  readonly target?: string;
  /** What the executable may do, as flags. */
  readonly permissions: readonly string[];
  /** Ends the compiling. */
  readonly signal?: AbortSignal;
}

/**
 * Variables that the compiling Deno gets to see. Others of ours would get into
 * the executable (`DENO_TLS_CA_STORE`, `DENO_CERT`, `DENO_V8_FLAGS`).
 */
const VARIABLES = [
  ...["HOME", "PATH", "TMPDIR", "DENO_DIR"],
  ...["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"],
  ...["http_proxy", "https_proxy", "no_proxy"],
];

/**
 * Compiles a bundle. The same bundle, flags and runtime make the same bytes.
 *
 * @returns Path of the executable.
 * @throws {BuildError} If Deno cannot compile it, or what it makes does not
 * run.
 */
export async function compileProgram(options: CompileOptions): Promise<string> {
  const { program, bundle, out, signal } = options;
  const dir = bundle.replace(/\/[^/]*$/, "");
  // The executable keeps the times of the files.
  for await (const { name } of Deno.readDir(dir)) {
    await Deno.utime(`${dir}/${name}`, 0, 0);
  }
  const env: Record<string, string> = {};
  for (const name of VARIABLES) {
    const value = Deno.env.get(name);
    if (value !== undefined) env[name] = value;
  }
  if (options.denort !== undefined) env.DENORT_BIN = options.denort;
  const { success, text } = await runTool(options.deno, [
    ...["compile", "--quiet", "--no-config", "--no-lock", "--no-check"],
    // The bundle is whole: whatever else it asked for would be a mistake.
    ...["--no-npm", "--no-remote"],
    // It would be kept in a file of a known name where everybody writes.
    "--no-code-cache",
    // A request's signal means that its client left, as with `deno.json`; else
    // Deno writes a line about it between those of the log.
    "--unstable-no-legacy-abort",
    ...options.permissions,
    ...(options.target === undefined ? [] : ["--target", options.target]),
    ...["--output", out, bundle.slice(dir.length + 1)],
  ], { cwd: dir, env, clearEnv: true, ...(signal ? { signal } : {}) });
  if (!success) throw compileFailed(program, text);
  return out;
}

/** Says what `deno compile` failed of, and what to do. */
export function compileFailed(program: string, text: string): BuildError {
  const url = /error sending request for url \(([^)]+)\)/.exec(text)?.[1] ??
    /(https?:\/\/\S*denort\S*)/.exec(text)?.[1];
  if (url !== undefined) {
    return new BuildError(
      `Cannot compile ${program}: Deno's runtime for executables cannot be ` +
        `downloaded from ${url}`,
      "set DENORT_BIN to a denort of the same release as the deno that runs " +
        "this, or give --pair to have an older Deno and its runtime fetched " +
        "from PyPI",
    );
  }
  return new BuildError(
    `Cannot compile ${program}: ${text}`,
    "correct what Deno says",
  );
}

/**
 * Runs an executable for its version.
 *
 * @returns What it says.
 * @throws {BuildError} If it is not the program: a runtime of another release
 * than the compiling Deno makes executables that do not find what they hold.
 */
export async function tellVersion(
  program: string,
  path: string,
  signal?: AbortSignal,
): Promise<string> {
  const { success, text } = await runTool(
    path,
    ["--version"],
    { clearEnv: true, ...(signal ? { signal } : {}) },
  );
  if (success && text.startsWith(`${program} `)) return text;
  throw new BuildError(
    `Cannot use the executable of ${program}: asked for its version, it says ` +
      JSON.stringify(text.slice(0, 300)),
    "let DENORT_BIN name a denort of the same release as the deno that runs " +
      "this, or unset it",
  );
}
