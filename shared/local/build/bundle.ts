/**
 * A program and what it reaches, as JavaScript: all that goes into its
 * executable, no folder of packages. What it imports only when it needs it (the
 * Redis client, larger than most programs) is a file of its own, which no start
 * has to read.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { BuildError } from "./build_error.ts";
import { type Package, packagesOf, portableNames } from "./module_names.ts";
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
  /** Folder to write to; made, or emptied first. */
  readonly outDir: string;
  /** Ends the bundling. */
  readonly signal?: AbortSignal;
}

/** What was bundled. */
export interface Bundle {
  /** Path of the file to run. */
  readonly main: string;
  /** Packages of which it has something in it. */
  readonly packages: readonly Package[];
}

/**
 * Bundles with the Deno that runs this. The same sources make the same files,
 * wherever the project and Deno's cache are.
 *
 * @throws {BuildError} If Deno cannot bundle it.
 */
export async function bundleProgram(options: BundleOptions): Promise<Bundle> {
  const { projectDir, main, external = [], outDir, signal } = options;
  await Deno.remove(outDir, { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  const { success, text } = await runTool(Deno.execPath(), [
    ...["bundle", "--quiet", "--frozen", "--platform", "deno"],
    ...external.flatMap((name) => ["--external", name]),
    ...["--code-splitting", "--outdir", outDir, main],
  ], { cwd: projectDir, ...(signal ? { signal } : {}) });
  if (!success) {
    throw new BuildError(
      `Cannot bundle ${main}: ${text}`,
      "correct what Deno says; `deno check` tells more",
    );
  }
  const written = new Map<string, string>();
  for await (const { name } of Deno.readDir(outDir)) {
    const file = `${outDir}/${name}`;
    written.set(name, portableNames(await Deno.readTextFile(file)));
    await Deno.remove(file);
  }
  const files = stampCommit(nameByContent(written), options.commit);
  for (const [name, text] of files) {
    await Deno.writeTextFile(`${outDir}/${name}`, text);
  }
  return {
    main: `${outDir}/${main.replace(/^.*\//, "").replace(/ts$/, "js")}`,
    packages: packagesOf(files.values()),
  };
}

/** A file that the bundler names by what was in it: `redis_store-7J3K2A5Q.js`. */
const HASHED = /\b([\w.]+)-[0-9A-Z]{8}\.js\b/g;

/**
 * Names files by what is in them now: the bundler has named them by texts with
 * paths of this machine in them.
 *
 * @param files Texts by name, of one folder.
 */
export function nameByContent(
  files: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [name, text] of files) {
    const stem = name.replace(HASHED, "$1");
    if (stem === name) continue; // the file to run
    // Without the names in it, which are about to change.
    const digest = createHash("sha256").update(text.replace(HASHED, "$1.js"));
    names.set(name, `${stem}-${digest.digest("hex").slice(0, 8)}.js`);
  }
  return new Map(
    [...files].map(([name, text]) => [
      names.get(name) ?? name,
      text.replace(HASHED, (found) => names.get(found) ?? found),
    ]),
  );
}

const UNSTAMPED = 'var COMMIT = "unknown";';

/**
 * Puts a commit into the one place for it.
 *
 * @param files Texts by name.
 * @throws {BuildError} If there is no such place, or more than one.
 */
export function stampCommit(
  files: ReadonlyMap<string, string>,
  commit: string,
): ReadonlyMap<string, string> {
  let places = 0;
  const stamped = new Map([...files].map(([name, text]) => {
    const parts = text.split(UNSTAMPED);
    places += parts.length - 1;
    return [name, parts.join(`var COMMIT = ${JSON.stringify(commit)};`)];
  }));
  if (places === 1) return stamped;
  throw new BuildError(
    `Cannot put the commit into the bundle: it says ${UNSTAMPED} ` +
      `${places} times`,
    "see that shared/version.ts exports COMMIT once, as a constant",
  );
}
