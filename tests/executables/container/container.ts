/**
 * Containers without a container engine: images of the project's Containerfile,
 * and the command that runs one as an engine would.
 *
 * @module
 */

import type { ExecutableName } from "../../../shared/local/build/permissions.ts";
import { PROJECT_DIR } from "../../support/paths.ts";
import { BASE, makeBase, missingForRoots } from "./base_root.ts";
import { ImageBuilder, type ImageConfig } from "./builder.ts";

const CONTAINERFILE = `${PROJECT_DIR}/manifests/images/Containerfile`;

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

/** An image, and a root made of it. */
export interface Image {
  /** How it wants to be run. */
  readonly config: ImageConfig;
  /** Folder of its root. */
  readonly root: string;
}

/** Images of programs. */
export class Images {
  readonly #images: ReadonlyMap<ExecutableName, Image>;

  private constructor(images: ReadonlyMap<ExecutableName, Image>) {
    this.#images = images;
  }

  /**
   * Builds them.
   *
   * @param dir Folder for everything; made.
   * @param executables Folder that is to be `dist/`.
   * @param programs Which.
   */
  static async make(
    dir: string,
    executables: string,
    programs: readonly ExecutableName[],
  ): Promise<Images> {
    const text = await Deno.readTextFile(CONTAINERFILE);
    const base = /^ARG BASE=(.*)$/m.exec(text)?.[1];
    if (base !== BASE) {
      throw new Error(`Cannot make the base ${base}: want ${BASE}`);
    }
    const builder = await ImageBuilder.make(`${dir}/builder`);
    await Deno.mkdir(`${dir}/base`);
    await makeBase(builder, `${dir}/base`, "localhost/base");
    const context = `${dir}/context`;
    await Deno.mkdir(`${context}/dist`, { recursive: true });
    const images = new Map<ExecutableName, Image>();
    for (const program of programs) {
      await Deno.link(
        `${executables}/${program}`,
        `${context}/dist/${program}`,
      );
      const tag = `localhost/${program}`;
      await builder.build({
        containerfile: CONTAINERFILE,
        context,
        tag,
        target: program,
        args: { BASE: "localhost/base" },
      });
      images.set(program, {
        config: await builder.config(tag),
        root: await builder.root(tag),
      });
    }
    return new Images(images);
  }

  /** An image. */
  of(program: ExecutableName): Image {
    const image = this.#images.get(program);
    if (image === undefined) throw new Error(`There is no image of ${program}`);
    return image;
  }

  /** Makes the places of mounts, as an engine does, and the command. */
  async command(spec: ContainerSpec): Promise<Command> {
    const { config, root } = this.of(spec.program);
    for (const { target } of spec.mounts) {
      await Deno.mkdir(`${root}${target}`, { recursive: true });
    }
    const [uid = "", gid = ""] = config.user.split(":");
    return {
      command: "/usr/bin/env",
      args: [
        "-i",
        ...config.env,
        ...Object.entries(spec.env ?? {}).map(([name, value]) =>
          `${name}=${value}`
        ),
        new URL("./run_contained.sh", import.meta.url).pathname,
        ...[root, spec.readOnly ? "ro" : "rw", config.workdir, uid, gid],
        ...spec.mounts.map(({ source, target, writable }) =>
          `${source}:${target}:${writable ? "rw" : "ro"}`
        ),
        "--",
        ...config.entrypoint,
        ...spec.args,
      ],
    };
  }
}
