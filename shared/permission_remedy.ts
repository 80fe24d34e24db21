/**
 * What an executable of ours says where it may not do something. Deno tells how
 * to compile it otherwise, which is not how ours are made. Pure.
 *
 * @module
 */

const COMPILED =
  /Requires (\w+) access(?: to ("[^"]*"|\S+))?, specify the required permissions during compilation using `deno compile --allow-[\w-]+`/g;

/**
 * Puts our remedy in the place of Deno's, wherever a text has that of a
 * compiled program. Other texts stay as they are.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { permissionRemedy } from "./permission_remedy.ts";
 *
 * assertEquals(
 *   permissionRemedy(
 *     'Requires env access to "A", specify the required permissions during ' +
 *       "compilation using `deno compile --allow-env`",
 *   ),
 *   'Requires env access to "A", which this program was not built for ' +
 *     "(build it with --variables A, or give the value as a file)",
 * );
 * ```
 */
export function permissionRemedy(text: string): string {
  return text.replace(COMPILED, (_, kind: string, what = "") => {
    const to = what === "" ? "" : ` to ${what}`;
    return `Requires ${kind} access${to}, which this program was not built ` +
      `for (${remedyFor(kind, what.replaceAll('"', ""))})`;
  });
}

function remedyFor(kind: string, what: string): string {
  switch (kind) {
    case "read":
    case "write":
      return "use a path in its directories, as `--help` shows them, or build " +
        "it with others: `deno task build --help`";
    case "env":
      return `build it with --variables ${what || "NAME"}, or give the value ` +
        "as a file";
    default:
      return "run it from its sources with `deno run` if it has to";
  }
}
