/**
 * Makes what a release consists of: for each program and platform an archive of
 * its executable, and a bill of what is in it; checksums of them all. The same
 * commit makes the same bytes.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { BuildError } from "../build/build_error.ts";
import {
  type BuildOptions,
  buildPrograms,
  commitTime,
  type Executable,
  gitCommit,
  PROJECT_DIR,
} from "../build/build.ts";
import { VERSION } from "../../version.ts";
import { npmCache, readLicense, writeNotices } from "./licenses.ts";
import { type LockedPackage, readLockFile } from "./lock_file.ts";
import { writeSbom } from "./sbom.ts";
import { tarOf } from "./tar.ts";

/** What to release. */
export interface ReleaseOptions extends Omit<BuildOptions, "target"> {
  /** Platforms; this one where there is none. */
  readonly targets: readonly string[];
}

/**
 * Makes a release.
 *
 * @returns Names of the files in its folder, in order, the checksums' last.
 * @throws {BuildError} If anything of it cannot be made.
 */
export async function makeRelease(
  { targets, out, ...options }: ReleaseOptions,
): Promise<readonly string[]> {
  const commit = options.commit ?? await commitToRelease(PROJECT_DIR);
  const world = {
    cache: await npmCache(),
    locked: readLockFile(await Deno.readTextFile(`${PROJECT_DIR}/deno.lock`)),
    license: await Deno.readFile(`${PROJECT_DIR}/LICENSE`),
    seconds: await commitTime(PROJECT_DIR),
  };
  await Deno.mkdir(out, { recursive: true });
  const dir = await Deno.makeTempDir({ dir: out, prefix: ".release-" });
  const sums = new Map<string, string>();
  try {
    for (const target of targets.length === 0 ? [undefined] : targets) {
      const executables = await buildPrograms({
        ...options,
        commit,
        out: dir,
        ...(target === undefined ? {} : { target }),
      });
      for (const executable of executables) {
        const files = await filesOf(
          executable,
          target ?? Deno.build.target,
          world,
        );
        for (const [name, bytes] of files) {
          await Deno.writeFile(`${out}/${name}`, bytes);
          sums.set(name, sha256(bytes));
          options.progress(`${out}/${name}`);
        }
      }
    }
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
  const names = [...sums.keys()].sort();
  await Deno.writeTextFile(
    `${out}/${SUMS}`,
    names.map((name) => `${sums.get(name)}  ${name}\n`).join(""),
  );
  return [...names, SUMS];
}

/**
 * Tells the commit of a folder.
 *
 * @throws {BuildError} Where it is in none, or files in it are changed.
 */
export async function commitToRelease(dir: string): Promise<string> {
  const commit = await gitCommit(dir);
  if (/^[0-9a-f]+$/.test(commit)) return commit;
  throw new BuildError(
    `Cannot release what is in no commit: it is ${commit}`,
    "commit what is changed, or say with --commit what to call it",
  );
}

const SUMS = "SHA256SUMS";

/** What files of a release are made from, besides an executable. */
interface World {
  readonly cache: string;
  readonly locked: ReadonlyMap<string, LockedPackage>;
  readonly license: Uint8Array;
  readonly seconds: number;
}

/** The archive of an executable, and its bill of materials. */
async function filesOf(
  executable: Executable,
  target: string,
  { cache, locked, license, seconds }: World,
): Promise<readonly (readonly [string, Uint8Array<ArrayBuffer>])[]> {
  const { program, deno, commit } = executable;
  const packages = await Promise.all(executable.packages.map(async (one) => {
    const pinned = locked.get(`${one.name}@${one.version}`);
    if (pinned === undefined) {
      throw new BuildError(
        `Cannot release ${program}: deno.lock has no ${one.name} ${one.version}`,
        "run `deno install`, and commit the lock file",
      );
    }
    return { ...pinned, ...await readLicense(cache, one) };
  }));
  const text = new TextEncoder();
  const bytes = await Deno.readFile(executable.path);
  const sbom = text.encode(writeSbom({
    name: `mcp-gateway-${program}`,
    version: VERSION,
    commit,
    target,
    sha256: sha256(bytes),
    deno,
    packages,
    time: new Date(seconds * 1000),
  }));
  const name = `mcp-gateway-${program}-${VERSION}-${target}`;
  const tar = tarOf([
    { path: `${name}/${program}`, bytes, executable: true },
    { path: `${name}/LICENSE`, bytes: license },
    {
      path: `${name}/THIRD_PARTY_NOTICES`,
      bytes: text.encode(writeNotices(deno, packages)),
    },
    { path: `${name}/${program}.cdx.json`, bytes: sbom },
  ], seconds);
  return [
    [`${name}.tar.gz`, await gzip(tar)],
    [`${name}.cdx.json`, sbom],
  ];
}

/** Without a name and a time, so that the same bytes become the same. */
async function gzip(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const zipped = new Blob([bytes]).stream()
    .pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(zipped).arrayBuffer());
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
