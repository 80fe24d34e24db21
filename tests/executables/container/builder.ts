/**
 * Builds images with buildah, from Debian's packages, which are unpacked and
 * not installed. It needs no daemon and keeps everything in one folder.
 *
 * @see https://buildah.io
 *
 * @module
 */

import { CACHE_DIR } from "../_pair.ts";
import { DebianPackages, runTool } from "./debian_packages.ts";

/** Buildah, and libraries that not every machine has. */
const PACKAGES = [
  ...["buildah", "libgpgme11", "libassuan0", "libgpg-error0"],
  ...["libseccomp2", "libdevmapper1.02.1"],
];

/** What to build. */
export interface ImageBuild {
  /** The file that says how. */
  readonly containerfile: string;
  /** Folder that it copies from. */
  readonly context: string;
  /** What to call the image. */
  readonly tag: string;
  /** Which of its targets; the last where left out. */
  readonly target?: string;
  /** Values of its arguments. */
  readonly args?: Readonly<Record<string, string>>;
}

/** What an image says of how it wants to be run. */
export interface ImageConfig {
  /** Whom it runs as, `UID:GID`. */
  readonly user: string;
  /** What it runs. */
  readonly entrypoint: readonly string[];
  /** Variables, `NAME=VALUE`. */
  readonly env: readonly string[];
  /** Where it starts. */
  readonly workdir: string;
  /** TCP ports that it says it serves, in order. */
  readonly ports: readonly number[];
}

/** Builds images into a folder, and shows what is in them. */
export class ImageBuilder {
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /**
   * Makes one.
   *
   * @param dir Folder for the tool and all that it builds; made.
   */
  static async make(dir: string): Promise<ImageBuilder> {
    const packages = await DebianPackages.fetch(
      CACHE_DIR,
      "builder",
      PACKAGES,
    );
    for (const name of ["tool", "tmp"]) {
      await Deno.mkdir(`${dir}/${name}`, { recursive: true });
    }
    await packages.unpack(`${dir}/tool`);
    // Images of our own making need no signature.
    await Deno.writeTextFile(
      `${dir}/policy.json`,
      JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }),
    );
    await Deno.writeTextFile(
      `${dir}/storage.conf`,
      `[storage]\ndriver = "vfs"\nrunroot = "${dir}/run"\n` +
        `graphroot = "${dir}/images"\n`,
    );
    return new ImageBuilder(dir);
  }

  /** Builds an image. */
  async build(
    { containerfile, context, tag, target, args = {} }: ImageBuild,
  ): Promise<void> {
    await this.#run([
      ...["bud", "--signature-policy", `${this.#dir}/policy.json`],
      // There is nothing to run in it.
      ...["--isolation", "chroot", "--pull-never"],
      ...(target === undefined ? [] : ["--target", target]),
      ...Object.entries(args).flatMap((
        [name, value],
      ) => ["--build-arg", `${name}=${value}`]),
      ...["-f", containerfile, "-t", tag, context],
    ]);
  }

  /** Makes a container of an image: the folder of its root. */
  async root(tag: string): Promise<string> {
    const container = await this.#run([
      ...["from", "--signature-policy", `${this.#dir}/policy.json`],
      ...["--pull-never", tag],
    ]);
    return await this.#run(["mount", container]);
  }

  /** Reads how an image wants to be run. */
  async config(tag: string): Promise<ImageConfig> {
    const { OCIv1: { config } } = JSON.parse(
      await this.#run(["inspect", "--type", "image", tag]),
    );
    return {
      user: config.User,
      entrypoint: config.Entrypoint ?? [],
      env: config.Env ?? [],
      workdir: config.WorkingDir,
      ports: Object.keys(config.ExposedPorts ?? {}).map((port) =>
        Number(port.replace("/tcp", ""))
      ).sort((a, b) => a - b),
    };
  }

  async #run(args: readonly string[]): Promise<string> {
    const dir = this.#dir;
    const { success, printed, said } = await runTool(
      `${dir}/tool/usr/bin/buildah`,
      args,
      {
        env: {
          HOME: dir,
          TMPDIR: `${dir}/tmp`,
          CONTAINERS_CONF: "/dev/null",
          CONTAINERS_STORAGE_CONF: `${dir}/storage.conf`,
          LD_LIBRARY_PATH: ["usr/lib", "lib"].map((lib) =>
            `${dir}/tool/${lib}/x86_64-linux-gnu`
          ).join(":"),
        },
      },
    );
    if (!success) throw new Error(`buildah ${args.join(" ")}: ${said}`);
    return printed;
  }
}
