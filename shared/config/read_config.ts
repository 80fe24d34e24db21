/**
 * Reads a configuration once, from a file or from standard input, for commands
 * that look at it. Programs follow theirs: `watch.ts`.
 *
 * @module
 */

import { errorText } from "../error_text.ts";
import { parseKubeName } from "./kube_source.ts";

/** Name of standard input where a file is wanted. */
export const STDIN = "-";

/** What reading needs of the world. */
export interface ReadIo {
  /** Reads a file as UTF-8. */
  readonly readTextFile: (path: string) => Promise<string>;
  /** Reads standard input to its end, as UTF-8. */
  readonly readStdin: () => Promise<string>;
}

/** Files and standard input of Deno. */
export const DENO_READ_IO: ReadIo = {
  readTextFile: (path) => Deno.readTextFile(path),
  readStdin: () => new Response(Deno.stdin.readable).text(),
};

/** A configuration that cannot be read; the message has place and remedy. */
export class UnreadableConfig extends Error {
  /** Builds an error. */
  constructor(
    file: string,
    state: string,
    remedy: string,
    options?: ErrorOptions,
  ) {
    super(`Cannot read ${file}: ${state}. Remedy: ${remedy}`, options);
    this.name = "UnreadableConfig";
  }
}

/**
 * Reads a configuration.
 *
 * @param file Path, or `-` for standard input.
 * @throws {UnreadableConfig} If it cannot be read.
 */
export async function readConfig(file: string, io: ReadIo): Promise<string> {
  if (file === STDIN) return await io.readStdin();
  if (parseKubeName(file).kind !== "file") {
    throw new UnreadableConfig(
      file,
      "it is in a cluster, and files are read here",
      "name a file, or give the ConfigMap's config.yaml on standard input, " +
        "as the file -",
    );
  }
  try {
    return await io.readTextFile(file);
  } catch (cause) {
    throw new UnreadableConfig(file, ...whyUnreadable(cause), { cause });
  }
}

function whyUnreadable(cause: unknown): [state: string, remedy: string] {
  if (cause instanceof Deno.errors.NotFound) {
    return ["there is no such file", "name the file that you mean"];
  }
  if (cause instanceof Deno.errors.NotCapable) {
    return [
      "it is outside of the directory that this program may read",
      "move it into the directory that the program was built for " +
      "(/etc/mcp-gateway unless told otherwise), or give it on standard " +
      "input, as the file -",
    ];
  }
  if (cause instanceof Deno.errors.PermissionDenied) {
    return ["this user may not", "let this program's user read it"];
  }
  return [errorText(cause), "name a file of YAML or JSON"];
}
