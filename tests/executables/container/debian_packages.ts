/**
 * Packages of Debian, unpacked and not installed: parts of images, and tools
 * that make them.
 *
 * @module
 */

import { eventually } from "../../support/wait.ts";

/** Release whose packages are used, and that this machine has to be. */
export const DEBIAN = "12";

/** Some packages, as files. */
export class DebianPackages {
  readonly #files: ReadonlyMap<string, string>;

  private constructor(files: ReadonlyMap<string, string>) {
    this.#files = files;
  }

  /**
   * Fetches packages, once, into a folder of the cache.
   *
   * @param cacheDir The cache; exists.
   * @param what What they are for: a part of the folder's name.
   * @param names Their names.
   */
  static async fetch(
    cacheDir: string,
    what: string,
    names: readonly string[],
  ): Promise<DebianPackages> {
    const dir = `${cacheDir}/debian-${DEBIAN}-${what}`;
    if (!(await exists(dir))) await download(cacheDir, dir, names);
    const files = new Map<string, string>();
    for await (const { name } of Deno.readDir(dir)) {
      // NAME_VERSION_ARCHITECTURE.deb
      files.set(name.replace(/_.*$/, ""), `${dir}/${name}`);
    }
    for (const name of names) {
      if (files.has(name)) continue;
      throw new Error(`${dir} has no ${name}: remove it to fetch it anew`);
    }
    return new DebianPackages(files);
  }

  /** Unpacks packages, all where none is named, into a folder. */
  async unpack(
    to: string,
    names: Iterable<string> = this.#files.keys(),
  ): Promise<void> {
    for (const name of names) {
      const file = this.#files.get(name) ?? name;
      const { success, said } = await runTool("dpkg-deb", ["-x", file, to]);
      if (!success) throw new Error(`Cannot unpack ${file}: ${said}`);
    }
  }
}

async function download(
  cacheDir: string,
  dir: string,
  names: readonly string[],
): Promise<void> {
  const partial = await Deno.makeTempDir({
    dir: cacheDir,
    prefix: "debian-packages-partial-",
  });
  try {
    const fetchAll = () =>
      runTool("apt-get", [
        // Its own user may not write here.
        ...["-q", "-o", "APT::Sandbox::User=root"],
        ...["download", ...names],
      ], { cwd: partial });
    await eventually(async () => {
      if ((await fetchAll()).success) return;
      // Others may be at it, who keep us from it for a while.
      const updated = await runTool("apt-get", ["-q", "update"]);
      const { success, said } = await fetchAll();
      if (success) return;
      throw new Error(
        `Cannot fetch Debian's packages: ${said} ${updated.said}. Remedy: ` +
          "see that `apt-get update` works",
      );
    }, { deadlineMs: 60_000, intervalMs: 2_000 });
    await Deno.rename(partial, dir).catch(async (cause) => {
      // Another process was faster: its copy is as good.
      if (!(await exists(dir))) throw cause;
    });
  } finally {
    await Deno.remove(partial, { recursive: true }).catch(() => {});
  }
}

/** How a tool ended. */
export interface ToolOutcome {
  /** Whether it did what it should. */
  readonly success: boolean;
  /** What it printed. */
  readonly printed: string;
  /** What it complained of. */
  readonly said: string;
}

/** Runs a tool to its end. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: Pick<Deno.CommandOptions, "cwd" | "env"> = {},
): Promise<ToolOutcome> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(command, {
      args: [...args],
      stdin: "null",
      ...options,
    }).output();
    const text = new TextDecoder();
    return {
      success,
      printed: text.decode(stdout).trim(),
      said: text.decode(stderr).trim(),
    };
  } catch (error) {
    return { success: false, printed: "", said: `${error}` };
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
