/**
 * `deno task release [OPTIONS]`: makes archives of the executables, a bill of
 * materials of each, and checksums.
 *
 * @module
 */

import { parseOptions } from "../../options.ts";
import { fromOptions } from "../build/build.ts";
import { BuildError } from "../build/build_error.ts";
import { type ExecutableName, RECIPES } from "../build/permissions.ts";
import { defaultCacheDir } from "../envoy_binary.ts";
import { RELEASE_OPTIONS, TARGETS } from "./options.ts";
import { makeRelease } from "./release.ts";

async function main(): Promise<number> {
  const outcome = parseOptions(RELEASE_OPTIONS, Deno.args, Deno.env, {
    program: "deno task release",
    summary:
      "Makes archives of the executables, a bill of materials of each, " +
      "and checksums",
  });
  switch (outcome.kind) {
    case "help":
      console.log(outcome.text);
      return 0;
    case "version":
      console.error("The release has no version of its own");
      return 2;
    case "invalid":
      for (const problem of outcome.problems) console.error(problem);
      return 2;
    case "options":
      break;
    default:
      return outcome satisfies never;
  }
  const { values } = outcome;
  const unknown = values.targets.filter((triple) => !TARGETS.includes(triple));
  if (unknown.length > 0) {
    console.error(
      `Unknown platform ${unknown.join(", ")}: want ${TARGETS.join(" or ")}`,
    );
    return 2;
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
