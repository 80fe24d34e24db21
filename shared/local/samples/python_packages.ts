/**
 * Gets Python packages into a folder of the cache, once. Installs nothing into
 * the machine's own Python.
 *
 * @module
 */

import type { Logger } from "../../log.ts";

/** What to get, and into where. */
export interface PythonPackagesOptions {
  /** Folder that caches live in. */
  readonly cacheDir: string;
  /** Folder name in it; the Python version is appended. */
  readonly name: string;
  /** Exact requirements: `mcp==2.3.0`. */
  readonly requirements: readonly string[];
  /** Python of at least this minor version of 3 is needed. */
  readonly minMinor: number;
  /** Told when a download starts and ends. */
  readonly log: Logger;
  /** Stops the download. */
  readonly signal?: AbortSignal;
}

/** A Python and a folder for its `PYTHONPATH`. */
export interface PythonPackages {
  /** The interpreter. */
  readonly python: string;
  /** The folder that holds the packages. */
  readonly path: string;
}

/**
 * Installs the packages unless they are there.
 *
 * @throws {Error} Where there is no Python, an old one, or pip fails: the
 * message says which, in words for the reader of a terminal.
 */
export async function getPythonPackages(
  options: PythonPackagesOptions,
): Promise<PythonPackages> {
  const python = "python3";
  const minor = await pythonMinor(python);
  if (minor < options.minMinor) {
    throw new Error(
      `Python 3.${options.minMinor} or later is needed: python3 is 3.${minor}`,
    );
  }
  // Packages with compiled parts fit one version of Python only.
  const path = `${options.cacheDir}/${options.name}-py3${minor}`;
  if (await isDirectory(path)) return { python, path };

  await Deno.mkdir(options.cacheDir, { recursive: true });
  const partial = await Deno.makeTempDir({
    dir: options.cacheDir,
    prefix: `${options.name}-`,
  });
  try {
    options.log.info("downloading Python packages", {
      packages: options.requirements.join(" "),
      to: path,
    });
    const startedAt = performance.now();
    await install(python, partial, options);
    await Deno.rename(partial, path).catch(async (cause) => {
      // Another process was faster; what it installed is the same.
      if (!(await isDirectory(path))) throw cause;
    });
    options.log.info("downloaded Python packages", {
      seconds: Math.round((performance.now() - startedAt) / 1000),
    });
    return { python, path };
  } finally {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
}

async function pythonMinor(python: string): Promise<number> {
  try {
    const { stdout } = await new Deno.Command(python, {
      args: ["-c", "import sys; print(sys.version_info.minor)"],
      stderr: "null",
    }).output();
    const minor = Number(new TextDecoder().decode(stdout).trim());
    if (Number.isInteger(minor)) return minor;
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
  }
  throw new Error("Python is not installed: there is no python3 on the PATH");
}

async function install(
  python: string,
  target: string,
  options: PythonPackagesOptions,
): Promise<void> {
  const { success, stderr } = await new Deno.Command(python, {
    args: [
      ...["-m", "pip", "install", "--quiet", "--disable-pip-version-check"],
      ...["--only-binary=:all:", "--target", target],
      ...options.requirements,
    ],
    stdin: "null",
    stdout: "null",
    ...options.signal ? { signal: options.signal } : {},
  }).output();
  if (success) return;
  const lines = new TextDecoder().decode(stderr).trim().split("\n");
  const error = lines.findLast((line) => /error|no module/i.test(line));
  throw new Error(
    `pip cannot install ${options.requirements.join(" ")}: ${
      error ?? lines.at(-1)
    }`,
  );
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isDirectory;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    throw cause;
  }
}
