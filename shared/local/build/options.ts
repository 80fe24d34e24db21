/**
 * The options of `deno task build`.
 *
 * @module
 */

import { SYSTEM_DIRECTORIES } from "./permissions.ts";

/** Rows of the table for `parseOptions`. */
export const BUILD_OPTIONS = {
  out: {
    kind: "path",
    env: "BUILD_OUT",
    default: "dist",
    placeholder: "DIR",
    help: "Folder for the executables; with --target, for a folder of them",
  },
  target: {
    kind: "enum",
    env: "BUILD_TARGET",
    values: [
      "x86_64-unknown-linux-gnu",
      "aarch64-unknown-linux-gnu",
      "x86_64-apple-darwin",
      "aarch64-apple-darwin",
    ],
    placeholder: "TRIPLE",
    help: "Platform to build for (x86_64-unknown-linux-gnu, " +
      "aarch64-unknown-linux-gnu, x86_64-apple-darwin, aarch64-apple-darwin); " +
      "this machine's where left out",
  },
  pair: {
    kind: "boolean",
    env: "BUILD_PAIR",
    help:
      "Compile with an older Deno and its runtime from PyPI, where Deno's " +
      "own download site cannot be reached (Linux x86-64 only)",
  },
  denort: {
    kind: "path",
    env: "DENORT_BIN",
    placeholder: "FILE",
    excludes: "pair",
    help: "Runtime for executables (denort) of the same release as the deno " +
      "that runs this; downloaded where left out",
  },
  commit: {
    kind: "string",
    env: "BUILD_COMMIT",
    check: (value: string) =>
      /^[\w.+-]{1,64}$/.test(value)
        ? undefined
        : "want at most 64 letters, digits, and ._+-",
    help: "Commit that --version tells; git's where left out",
  },
  configDir: {
    kind: "path",
    env: "BUILD_CONFIG_DIR",
    default: SYSTEM_DIRECTORIES.config,
    check: checkDirectory,
    placeholder: "DIR",
    help: "Directory that they may read the configuration in",
  },
  secretsDir: {
    kind: "path",
    env: "BUILD_SECRETS_DIR",
    default: SYSTEM_DIRECTORIES.secrets,
    check: checkDirectory,
    placeholder: "DIR",
    help: "Directory that they may read secrets in",
  },
  stateDir: {
    kind: "path",
    env: "BUILD_STATE_DIR",
    default: SYSTEM_DIRECTORIES.state,
    check: checkDirectory,
    placeholder: "DIR",
    help: "Directory that they may keep sessions and the signing key in",
  },
  socketDir: {
    kind: "path",
    env: "BUILD_SOCKET_DIR",
    default: SYSTEM_DIRECTORIES.sockets,
    check: checkDirectory,
    placeholder: "DIR",
    help: "Directory that they may listen on unix sockets in",
  },
  variables: {
    kind: "list",
    of: "string",
    env: "BUILD_VARIABLES",
    placeholder: "NAMES",
    help: "Environment variables that they may read besides their own, for " +
      "{env: NAME} in the configuration",
  },
  cacheDir: {
    kind: "path",
    env: "BUILD_CACHE_DIR",
    placeholder: "DIR",
    help:
      "Directory of what is downloaded; ~/.cache/mcp-gateway where left out",
  },
} as const;

/** `deno compile` takes lists of paths, and a relative one would be ours. */
function checkDirectory(path: string): string | undefined {
  if (path.includes(",")) return "want a directory without a comma in its name";
  return /^\/(?!$)/.test(path) && !/\/\.{0,2}(\/|$)/.test(path)
    ? undefined
    : "want an absolute directory such as /etc/mcp-gateway, without . and .. " +
      "and a final slash";
}
