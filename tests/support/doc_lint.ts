/**
 * Runs `deno doc --lint` over the programs and what they share, all files at
 * once: a type that a file takes from another is then no private one.
 *
 * @module
 */

import { PROJECT_DIR } from "./paths.ts";

const FOLDERS = ["shared", "router", "broker", "controller", "proto"];

/**
 * Not read: tests, generated code, the typed packages that only re-export, and
 * samples, which import a package whose types `deno doc` cannot resolve.
 */
const LEFT_OUT =
  /_test\.ts$|_bench\.ts$|\/_testing|\/proto\/gen\/|\/shared\/std\/|\/samples\/|\.d\.ts$/;

async function* sources(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* sources(path);
    else if (path.endsWith(".ts") && !LEFT_OUT.test(path)) yield path;
  }
}

async function main(): Promise<number> {
  const files: string[] = [];
  for (const folder of FOLDERS) {
    try {
      files.push(...await Array.fromAsync(sources(`${PROJECT_DIR}/${folder}`)));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", ...files],
    cwd: PROJECT_DIR,
    stdin: "null",
  }).spawn().status;
  return code;
}

if (import.meta.main) Deno.exit(await main());
