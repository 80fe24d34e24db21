/**
 * `deno task release [OPTIONS]`: makes archives of the executables, a bill of
 * materials of each, and checksums.
 *
 * @module
 */

import { runCommandLine, USAGE } from "../../command_line.ts";
import type { OptionValues } from "../../options.ts";
import { fromOptions } from "../build/build.ts";
import { BuildError } from "../build/build_error.ts";
import { type ExecutableName, RECIPES } from "../build/permissions.ts";
import { defaultCacheDir } from "../envoy_binary.ts";
import { RELEASE_OPTIONS, TARGETS } from "./options.ts";
import { makeRelease } from "./release.ts";

function main(): Promise<number> {
  return runCommandLine(
    {
      program: "deno task release",
      summary:
        "Makes archives of the executables, a bill of materials of each, " +
        "and checksums",
      versionOf: "mcp-gateway",
      options: RELEASE_OPTIONS,
      run: release,
    },
    Deno.args,
    Deno.env,
  );
}

async function release(
  values: OptionValues<typeof RELEASE_OPTIONS>,
): Promise<number> {
  const unknown = values.targets.filter((triple) => !TARGETS.includes(triple));
  if (unknown.length > 0) {
    console.error(
      `Unknown platform ${unknown.join(", ")}: want ${TARGETS.join(" or ")}`,
    );
    return USAGE;
  }
  try {
    await makeRelease({
      ...fromOptions({ ...values, target: undefined }),
      targets: values.targets,
      programs: Object.keys(RECIPES) as ExecutableName[],
      cacheDir: values.cacheDir ??
        defaultCacheDir((name) => Deno.env.get(name)),
      progress: (line) => console.log(line),
    });
    return 0;
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(error.message);
    return 1;
  }
}

if (import.meta.main) Deno.exit(await main());
