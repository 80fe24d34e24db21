/**
 * Containers without a container engine: an image of the project's
 * Containerfile as a root file system, and the command that runs it as an
 * engine would.
 *
 * @module
 */

import type { ExecutableName } from "../../../shared/local/build/permissions.ts";
import { PROJECT_DIR } from "../../support/paths.ts";
import { CACHE_DIR } from "../_pair.ts";
import {
  BASE,
  BASE_ENVIRONMENT,
  BASE_WORKDIR,
  fetchBase,
  makeBaseRoot,
  missingForRoots,
} from "./base_root.ts";
import { type ImageTarget, readContainerfile } from "./containerfile.ts";

/** The file that says what our images are. */
export const CONTAINERFILE: string =
  `${PROJECT_DIR}/manifests/images/Containerfile`;

/** A folder of this machine, in a container. */
export interface Mount {
  /** Where it is here. */
  readonly source: string;
  /** Where it is there. */
  readonly target: string;
  /** Whether the container may write it. */
  readonly writable?: boolean;
}

/** How to run a program. */
export interface ContainerSpec {
  /** Target of the Containerfile. */
  readonly program: ExecutableName;
  /** Arguments behind its entrypoint. */
  readonly args: readonly string[];
  /** Variables besides those of the image. */
  readonly env?: Readonly<Record<string, string>>;
  /** What is mounted. */
  readonly mounts: readonly Mount[];
  /** Whether the root cannot be written, as it should be. */
  readonly readOnly: boolean;
}

/** A command of this machine. */
export interface Command {
  /** The executable. */
  readonly command: string;
  /** Its arguments. */
  readonly args: readonly string[];
}

/**
 * Whether containers can be run here.
 *
 * @returns Why not; undefined where they can.
 * @throws {Error} In CI, where no test may be left out.
 */
export async function missingForContainers(): Promise<string | undefined> {
  const missing = await missingForRoots();
  if (missing !== undefined && Deno.env.get("CI") === "true") {
    throw new Error(`Cannot test images: ${missing}`);
  }
  return missing;
}

/** Images, as roots in a folder. */
export class Images {
  readonly #dir: string;
  readonly #targets: ReadonlyMap<string, ImageTarget>;

  private constructor(dir: string, targets: ReadonlyMap<string, ImageTarget>) {
    this.#dir = dir;
    this.#targets = targets;
  }

  /**
   * Makes them.
   *
   * @param dir Folder for the roots; exists.
   * @param executables Folder that stands for `dist/`.
   * @param programs Which.
   */
  static async make(
    dir: string,
    executables: string,
    programs: readonly ExecutableName[],
  ): Promise<Images> {
    const targets = readContainerfile(await Deno.readTextFile(CONTAINERFILE));
    const packages = await fetchBase(CACHE_DIR);
    for (const program of programs) {
      const { base, files } = targetOf(targets, program);
      if (base !== BASE) {
        throw new Error(`Cannot make ${program}: its base is ${base}`);
      }
      const root = `${dir}/${program}`;
      await Deno.mkdir(root);
      await makeBaseRoot(packages, root);
      for (const { from, to, mode, owner } of files) {
        const [uid, gid] = owner.split(":").map(Number);
        await Deno.mkdir(`${root}${to}`.replace(/\/[^/]*$/, ""), {
          recursive: true,
        });
        await Deno.copyFile(
          from.replace(/^dist\//, `${executables}/`),
          `${root}${to}`,
        );
        await Deno.chmod(`${root}${to}`, mode);
        await Deno.chown(`${root}${to}`, uid ?? 0, gid ?? 0);
      }
    }
    return new Images(dir, targets);
  }

  /** Root of an image. */
  root(program: ExecutableName): string {
    return `${this.#dir}/${program}`;
  }

  /** Makes the places of mounts, as an engine does, and the command. */
  async command(spec: ContainerSpec): Promise<Command> {
    const { user, entrypoint } = targetOf(this.#targets, spec.program);
    const root = this.root(spec.program);
    for (const { target } of spec.mounts) {
      await Deno.mkdir(`${root}${target}`, { recursive: true });
    }
    const env = { ...BASE_ENVIRONMENT, ...spec.env };
    const [uid = "", gid = ""] = user.split(":");
    return {
      command: "/usr/bin/env",
      args: [
        "-i",
        ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
        new URL("./run_contained.sh", import.meta.url).pathname,
        ...[root, spec.readOnly ? "ro" : "rw", BASE_WORKDIR, uid, gid],
        ...spec.mounts.map(({ source, target, writable }) =>
          `${source}:${target}:${writable ? "rw" : "ro"}`
        ),
        "--",
        ...entrypoint,
        ...spec.args,
      ],
    };
  }
}

function targetOf(
  targets: ReadonlyMap<string, ImageTarget>,
  program: ExecutableName,
): ImageTarget {
  const target = targets.get(program);
  if (target === undefined) {
    throw new Error(`Cannot find the target ${program} in ${CONTAINERFILE}`);
  }
  return target;
}
