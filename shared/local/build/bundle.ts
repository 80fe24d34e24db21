/**
 * One JavaScript file of a program and of what it reaches: all that goes into
 * its executable, no folder of packages.
 *
 * @module
 */

import { BuildError } from "./build_error.ts";
import { runTool } from "./run_tool.ts";

/** What to bundle. */
export interface BundleOptions {
  /** The project's folder, without a slash at the end. */
  readonly projectDir: string;
  /** Main module, from the project's folder. */
  readonly main: string;
  /** Commit to be told by `--version`; `unknown` where there is none. */
  readonly commit: string;
  /** Packages that are left out of it. */
  readonly external?: readonly string[];
  /** File to write. */
  readonly out: string;
  /** Ends the bundling. */
  readonly signal?: AbortSignal;
}

/**
 * Bundles with the Deno that runs this. The same sources make the same bytes,
 * wherever the project and Deno's cache are.
 *
 * @throws {BuildError} If Deno cannot bundle it.
 */
export async function bundleProgram(options: BundleOptions): Promise<void> {
  const { projectDir, main, external = [], out, signal } = options;
  const { success, text } = await runTool(Deno.execPath(), [
    ...["bundle", "--quiet", "--frozen", "--platform", "deno"],
    ...external.flatMap((name) => ["--external", name]),
    ...["--output", out, main],
  ], { cwd: projectDir, ...(signal ? { signal } : {}) });
  if (!success) {
    throw new BuildError(
      `Cannot bundle ${main}: ${text}`,
      "correct what Deno says; `deno check` tells more",
    );
  }
  const bundled = await Deno.readTextFile(out);
  await Deno.writeTextFile(
    out,
    stampCommit(portableNames(bundled), options.commit),
  );
}

/** Where the bundler names a module: a comment, or the key of a CommonJS one. */
const MODULE_NAME = /^(?:\/\/ |\s+")\S*\/npm\/[^/"]+\/(\S+)/;
const PACKAGE = /^((?:@[^/]+\/)?[^/]+)\/(\d[^/]*)\//;

/**
 * Names the modules of packages by package and version. The bundler names them
 * by their path from the project to Deno's cache, which is another one on each
 * machine, and tells of its user.
 */
export function portableNames(bundle: string): string {
  return bundle.split("\n").map((line) => {
    const path = MODULE_NAME.exec(line)?.[1];
    if (path === undefined || !PACKAGE.test(path)) return line;
    const mark = line.startsWith("//") ? "// " : line.match(/^\s+"/)?.[0] ?? "";
    return mark + path.replace(PACKAGE, "npm:$1@$2/") +
      line.slice(line.indexOf(path) + path.length);
  }).join("\n");
}

const UNSTAMPED = 'var COMMIT = "unknown";';

/**
 * Puts a commit into a bundle.
 *
 * @throws {BuildError} If the bundle has no place for it.
 */
export function stampCommit(bundle: string, commit: string): string {
  const parts = bundle.split(UNSTAMPED);
  if (parts.length !== 2) {
    throw new BuildError(
      `Cannot put the commit into the bundle: it says ${UNSTAMPED} ` +
        `${parts.length - 1} times`,
      "see that shared/version.ts exports COMMIT once, as a constant",
    );
  }
  return parts.join(`var COMMIT = ${JSON.stringify(commit)};`);
}
