/**
 * The compiler that tests make executables with.
 *
 * @module
 */

import { BuildError } from "../../shared/local/build/build_error.ts";
import {
  type DenoPair,
  getDenoPair,
} from "../../shared/local/build/deno_pair.ts";
import { defaultCacheDir } from "../../shared/local/envoy_binary.ts";

/** Where it is kept. */
export const CACHE_DIR: string = defaultCacheDir((name) => Deno.env.get(name));

/**
 * The pair of Deno and its runtime from PyPI; undefined where it cannot be had
 * and nobody counts on these tests.
 *
 * @throws {BuildError} In CI, where no test may be left out.
 */
export async function pairIfAny(): Promise<DenoPair | undefined> {
  try {
    return await getDenoPair({
      cacheDir: CACHE_DIR,
      progress: (line) => console.error(line),
    });
  } catch (error) {
    if (Deno.env.get("CI") === "true" || !(error instanceof BuildError)) {
      throw error;
    }
    console.error(`Executables are not tested: ${error.message}`);
    return undefined;
  }
}
