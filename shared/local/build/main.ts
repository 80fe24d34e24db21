/**
 * `deno task build [router|broker|controller …] [OPTIONS]`: builds executables
 * of the programs that are named, of all where none is.
 *
 * @module
 */

import { parseOptions } from "../../options.ts";
import { defaultCacheDir } from "../envoy_binary.ts";
import { buildPrograms, fromOptions } from "./build.ts";
import { BuildError } from "./build_error.ts";
import { BUILD_OPTIONS } from "./options.ts";
import { type ExecutableName, RECIPES } from "./permissions.ts";

const ALL = Object.keys(RECIPES) as ExecutableName[];

async function main(): Promise<number> {
  // Options may have values that look like programs: those come first.
  const end = Deno.args.findIndex((arg) => arg.startsWith("-"));
  const named = end === -1 ? Deno.args : Deno.args.slice(0, end);
  const outcome = parseOptions(
    BUILD_OPTIONS,
    Deno.args.slice(named.length),
    Deno.env,
    {
      program: `deno task build [${ALL.join("|")} …]`,
      summary: "Builds executables of the gateway's programs, of all where " +
        "none is named",
    },
  );
  const unknown = named.filter((name) => !Object.hasOwn(RECIPES, name));
  const problems = [
    ...unknown.map((name) =>
      `Unknown program ${JSON.stringify(name)}: want ${ALL.join(" or ")}`
    ),
    ...(outcome.kind === "invalid" ? outcome.problems : []),
  ];
  if (outcome.kind === "help") {
    console.log(outcome.text);
    return 0;
  }
  if (outcome.kind !== "options" || problems.length > 0) {
    for (const problem of problems) console.error(problem);
    if (outcome.kind === "version") console.error("The build has no version");
    return 2;
  }
  const { values } = outcome;
  try {
    await buildPrograms({
      ...fromOptions(values),
      programs: named.length === 0
        ? ALL
        : ALL.filter((program) => named.includes(program)),
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
