/**
 * The Envoy that tests run.
 *
 * @module
 */

import { defaultCacheDir, findEnvoy } from "../../shared/local/envoy_binary.ts";

/** Finds Envoy, or fetches it, as the project's own tools do. */
export function envoyPath(): Promise<string> {
  const env = (name: string) => Deno.env.get(name);
  return findEnvoy({
    cacheDir: defaultCacheDir(env),
    env,
    progress: (line) => console.error(line),
  });
}
