/**
 * Puts results into the documentation: tables between two comments, and a
 * picture.
 *
 * @module
 */

import { PROJECT_DIR } from "../support/paths.ts";
import { fullReport, putBetween, shortReport } from "./report/markdown.ts";
import { picture } from "./report/picture.ts";
import type { BenchResult } from "./results.ts";

/** Files of the documentation, from the project's folder. */
export const PUBLISHED = {
  readme: "README.md",
  details: "tests/bench/README.md",
  picture: "tests/bench/figures/calls.svg",
} as const;

/** Rewrites them; the text around the tables stays as it is. */
export async function publish(
  result: BenchResult,
  dir = PROJECT_DIR,
): Promise<void> {
  const file = (name: keyof typeof PUBLISHED) => `${dir}/${PUBLISHED[name]}`;
  const replace = async (
    name: "readme" | "details",
    marker: string,
    content: string,
  ) => {
    const text = await Deno.readTextFile(file(name));
    await Deno.writeTextFile(file(name), putBetween(text, marker, content));
  };
  await replace("readme", "short", shortReport(result));
  await replace("details", "full", fullReport(result));
  const folder = file("picture").replace(/\/[^/]*$/, "");
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(file("picture"), picture(result));
  // As everything in this project is written.
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["fmt", "-q", file("readme"), file("details"), file("picture")],
    cwd: dir,
  }).output();
  if (!success) throw new Error("Cannot format what was published");
}
