/**
 * How a bundle names the modules that it is made of. Pure.
 *
 * @module
 */

/** A package of npm's. */
export interface Package {
  /** Its name, with its scope. */
  readonly name: string;
  /** Its version. */
  readonly version: string;
}

/** Where the bundler names a module: a comment, or the key of a CommonJS one. */
const MODULE_NAME = /^(?:\/\/ |\s+")\S*\/npm\/[^/"]+\/(\S+)/;
const PACKAGE = /^((?:@[^/]+\/)?[^/]+)\/(\d[^/]*)\//;

/**
 * Names the modules of packages by package and version. The bundler names them
 * by their path from the project to Deno's cache, which is another one on each
 * machine, and tells of its user.
 */
export function portableNames(bundle: string): string {
  return bundle.split("\n").map((line) => {
    const path = MODULE_NAME.exec(line)?.[1];
    if (path === undefined || !PACKAGE.test(path)) return line;
    const mark = line.startsWith("//") ? "// " : line.match(/^\s+"/)?.[0] ?? "";
    return mark + path.replace(PACKAGE, "npm:$1@$2/") +
      line.slice(line.indexOf(path) + path.length);
  }).join("\n");
}

const PORTABLE_NAME = /^\/\/ npm:((?:@[^/\n]+\/)?[^@/\n]+)@([^/\n]+)\//gm;

/** Tells the packages of a bundle with portable names, in order of names. */
export function packagesOf(files: Iterable<string>): readonly Package[] {
  const found = new Map<string, Package>();
  for (const text of files) {
    for (const [, name = "", version = ""] of text.matchAll(PORTABLE_NAME)) {
      found.set(`${name}@${version}`, { name, version });
    }
  }
  return [...found].sort(([a], [b]) => a < b ? -1 : 1).map(([, one]) => one);
}
