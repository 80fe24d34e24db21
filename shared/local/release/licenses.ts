/**
 * Under which licences the parts of an executable are, and their texts.
 *
 * @module
 */

import { BuildError } from "../build/build_error.ts";
import type { Package } from "../build/module_names.ts";
import { runTool } from "../build/run_tool.ts";

/** What a package says of its licence. */
export interface License {
  /** An SPDX expression. */
  readonly license: string;
  /** Texts of its files about that; none where it brings none along. */
  readonly texts: readonly string[];
}

const LICENSE_FILE = /^(licen[cs]e|copying|notice)(\.|$)/i;

/** The folder that Deno keeps packages in. */
export async function npmCache(): Promise<string> {
  const { success, text } = await runTool(Deno.execPath(), ["info", "--json"]);
  const info = success ? JSON.parse(text) : {};
  if (typeof info.npmCache === "string") return info.npmCache;
  throw new BuildError(
    `Cannot find the folder of packages: ${text}`,
    "see what `deno info --json` says",
  );
}

/**
 * Reads the licence of a package.
 *
 * @param cache What {@linkcode npmCache} answered.
 * @throws {BuildError} If it is not there, or names none.
 */
export async function readLicense(
  cache: string,
  { name, version }: Package,
): Promise<License> {
  for await (const registry of Deno.readDir(cache)) {
    const dir = `${cache}/${registry.name}/${name}/${version}`;
    const described = await Deno.readTextFile(`${dir}/package.json`).catch(
      (error) => {
        if (error instanceof Deno.errors.NotFound) return undefined;
        if (error instanceof Deno.errors.NotADirectory) return undefined;
        throw error;
      },
    );
    if (described === undefined) continue;
    const { license } = JSON.parse(described);
    if (typeof license !== "string" || license === "") {
      throw new BuildError(
        `Cannot tell the licence of ${name} ${version}: it names none`,
        "do without the package",
      );
    }
    const names = (await Array.fromAsync(Deno.readDir(dir)))
      .filter((file) => file.isFile && LICENSE_FILE.test(file.name))
      .map((file) => file.name).sort();
    const texts = await Promise.all(
      names.map((file) => Deno.readTextFile(`${dir}/${file}`)),
    );
    return { license: license.replace(/^\((.*)\)$/, "$1"), texts };
  }
  throw new BuildError(
    `Cannot find the package ${name} ${version} in ${cache}`,
    "run `deno install` first",
  );
}

/** The licence of Deno itself, of which each executable holds a copy. */
const MIT_OF_DENO = `MIT License

Copyright 2018-2026 the Deno authors

Permission is hereby granted, free of charge, to any person obtaining a copy of
this software and associated documentation files (the "Software"), to deal in
the Software without restriction, including without limitation the rights to
use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of
the Software, and to permit persons to whom the Software is furnished to do so,
subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS
FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER
IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
`;

/** Writes the notices that go with an executable. */
export function writeNotices(
  deno: string,
  packages: readonly (Package & License)[],
): string {
  const parts = [
    {
      title: `Deno ${deno} (MIT), with what it is made of itself: ` +
        `https://github.com/denoland/deno/tree/v${deno}`,
      texts: [MIT_OF_DENO],
    },
    ...packages.map(({ name, version, license, texts }) => ({
      title: `${name} ${version} (${license}): ` +
        `https://www.npmjs.com/package/${name}/v/${version}`,
      texts,
    })),
  ];
  return [
    "This executable contains the software below, besides our own.\n",
    ...parts.flatMap(({ title, texts }) => [
      `${"=".repeat(80)}\n${title}\n`,
      ...texts.map((text) => `${text.trim()}\n`),
    ]),
  ].join("\n");
}
