/**
 * Executables that the tests of one file share, and how such tests are
 * declared.
 *
 * @module
 */

import {
  buildPrograms,
  type Executable,
} from "../../shared/local/build/build.ts";
import type {
  Directories,
  ExecutableName,
} from "../../shared/local/build/permissions.ts";
import { shared } from "../support/proves.ts";
import { directoriesIn } from "./_gateway.ts";
import { CACHE_DIR, pairIfAny } from "./_pair.ts";

/** Commit that they tell. */
export const COMMIT = "0123456789ab";

/** The compiler; undefined where these tests are left out. */
export const pair = await pairIfAny();

/** Declares a test by the sentence it proves. */
export function provesOfExecutables(
  sentence: string,
  test: () => Promise<void>,
  options: { readonly ignore?: boolean } = {},
): void {
  Deno.test({
    name: sentence,
    fn: test,
    ignore: pair === undefined || (options.ignore ?? false),
    sanitizeOps: false,
    sanitizeResources: false,
  });
}

/** What was built for a file of tests. */
export interface Built {
  /** A folder of the tests' own, removed at their end. */
  readonly root: string;
  /** Folder of the executables. */
  readonly bin: string;
  /** What the build said of each. */
  readonly executables: readonly Executable[];
}

/** What to build. */
export interface BuiltOptions {
  /** Programs. Default: all. */
  readonly programs?: readonly ExecutableName[];
  /** Directories that they are for, given the root. Default: under it. */
  readonly directories?: (root: string) => Directories;
  /** Environment variables that they may read besides their own. */
  readonly variables?: readonly string[];
}

/** Has executables built before the first test of a file. */
export function built(options: BuiltOptions = {}): () => Built {
  return shared<Built>(async (stack) => {
    const root = await Deno.makeTempDir({ prefix: "gateway-built-" });
    stack.defer(() => Deno.remove(root, { recursive: true }));
    const bin = `${root}/bin`;
    const executables = pair === undefined
      ? []
      : await build(root, bin, options);
    return { root, bin, executables };
  });
}

/** Builds executables into a folder. */
export async function build(
  root: string,
  out: string,
  options: BuiltOptions = {},
): Promise<readonly Executable[]> {
  return await buildPrograms({
    programs: options.programs ?? ["router", "broker", "controller"],
    out,
    directories: (options.directories ?? directoriesIn)(root),
    cacheDir: CACHE_DIR,
    runtime: { kind: "pair" },
    commit: COMMIT,
    variables: options.variables ?? [],
    progress: () => {},
  });
}
