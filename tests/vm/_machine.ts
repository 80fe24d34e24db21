/**
 * A machine for tests: a systemd that runs as process 1 of its own processes,
 * mounts, network and cgroups, on a root with nothing on it. No virtualisation
 * is needed, only a root user who may make namespaces.
 *
 * @module
 */

import { LocalProcess } from "../../shared/local/processes.ts";
import { waitFor } from "../../shared/wait.ts";
import { PROJECT_DIR } from "../support/paths.ts";

/** Where machines can be had, or why not. */
export type MachineAvailability =
  | { readonly kind: "there" }
  | { readonly kind: "missing"; readonly reason: string };

const SYSTEMD = "/lib/systemd/systemd";
/** What a machine is booted with, and the Debian packages that have it. */
const NEEDED: Readonly<Record<string, string>> = {
  [SYSTEMD]: "systemd",
  "/usr/bin/systemd-sysusers": "systemd",
  "/usr/bin/unshare": "util-linux",
  "/usr/bin/nsenter": "util-linux",
  "/usr/bin/curl": "curl",
};
const BOOT_MS = 60_000;

/**
 * Finds what a machine needs; where no test may be left out, it is installed.
 *
 * @throws {Error} In CI, where there can be none.
 */
export async function findMachine(): Promise<MachineAvailability> {
  const inCi = Deno.env.get("CI") === "true";
  let missing = await missingPackages();
  if (missing.length > 0 && inCi) {
    for (const args of [["update"], ["install", "-y", ...missing]]) {
      await new Deno.Command("apt-get", { args: ["-q", ...args] }).output();
    }
    missing = await missingPackages();
  }
  const reason = missing.length > 0
    ? `${missing.join(", ")} not installed (apt-get install)`
    : await mayUnshare()
    ? undefined
    : "this user may not make namespaces (root may)";
  if (reason === undefined) return { kind: "there" };
  if (inCi) throw new Error(`Cannot test on a machine: ${reason}`);
  return { kind: "missing", reason };
}

async function missingPackages(): Promise<string[]> {
  const missing = new Set<string>();
  for (const [path, name] of Object.entries(NEEDED)) {
    const file = await Deno.stat(path).catch(() => undefined);
    if (file === undefined) missing.add(name);
  }
  return [...missing];
}

/** Namespaces that a machine has to itself; that of cgroups it makes itself. */
const NAMESPACES = ["-m", "-p", "-u", "-i", "-n"];

async function mayUnshare(): Promise<boolean> {
  const { success } = await new Deno.Command("unshare", {
    args: [...NAMESPACES, "--fork", "true"],
    stdout: "null",
    stderr: "null",
  }).output();
  return success;
}

/** How a command ended. */
export interface Ran {
  /** Exit code. */
  readonly code: number;
  /** Its output. */
  readonly stdout: string;
  /** Its errors. */
  readonly stderr: string;
}

/** A machine that runs. Disposing of it switches it off. */
export class Machine implements AsyncDisposable {
  readonly #unshare: LocalProcess;
  readonly #owned: AsyncDisposable;
  /** Process 1, as seen from outside. */
  readonly #pid: number;

  private constructor(
    unshare: LocalProcess,
    pid: number,
    owned: AsyncDisposable,
  ) {
    this.#unshare = unshare;
    this.#pid = pid;
    this.#owned = owned;
  }

  /**
   * Boots one.
   *
   * @param mounts What is shown of this machine there, read-only, by its place
   * there.
   */
  static async boot(
    mounts: Readonly<Record<string, string>>,
  ): Promise<Machine> {
    await using owned = new AsyncDisposableStack();
    const root = await Deno.makeTempDir({ prefix: "machine-" });
    const cgroup = root.slice(root.lastIndexOf("/") + 1);
    owned.defer(() => Deno.remove(root, { recursive: true }));
    owned.defer(() => removeCgroup(root, cgroup));
    const unshare = owned.use(
      new LocalProcess({
        name: "machine",
        command: "unshare",
        args: [
          ...NAMESPACES,
          ...["--fork", "--kill-child=SIGKILL"],
          ...["bash", `${PROJECT_DIR}/tests/vm/boot.sh`, root, cgroup],
          ...Object.entries(mounts).map(([to, from]) => `${from}:${to}`),
        ],
        // What unshare was sent, systemd would not end by.
        stopMs: 0,
        ready: async (signal) => {
          await waitFor(async () => {
            const child = await childOf(unshare.pid);
            if (child === undefined) return undefined;
            const { stdout } = await enter(child, [
              "systemctl",
              "is-system-running",
            ]);
            return stdout.trim() === "running" || undefined;
          }, { what: "the machine to boot", timeoutMs: BOOT_MS, signal });
        },
      }),
    );
    await unshare.start();
    const pid = await childOf(unshare.pid);
    if (pid === undefined) throw new Error("Cannot find the machine's systemd");
    return new Machine(unshare, pid, owned.move());
  }

  /** What it said while it booted. */
  get log(): readonly string[] {
    return this.#unshare.log;
  }

  /** Types lines into a root shell there, in a folder; they end at a failure. */
  async type(script: string, folder = "/"): Promise<Ran> {
    return await enter(this.#pid, [
      "bash",
      "-euo",
      "pipefail",
      "-c",
      `cd ${folder}\n${script}`,
    ]);
  }

  /** Types lines and returns what they print. @throws Where they fail. */
  async print(script: string, folder = "/"): Promise<string> {
    const { code, stdout, stderr } = await this.type(script, folder);
    if (code === 0) return stdout;
    throw new Error(`${script}\nended with ${code}:\n${stderr}${stdout}`);
  }

  /** Command and arguments that run a program of ours in its network. */
  beside(command: string, ...args: readonly string[]): [string, string[]] {
    return ["nsenter", ["-t", `${this.#pid}`, "-n", command, ...args]];
  }

  /** Switches it off. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned[Symbol.asyncDispose]();
  }
}

/** Removes the cgroups of a machine, which empty when its last process is gone. */
async function removeCgroup(mountPoint: string, name: string): Promise<void> {
  const remove = `
    mount -t cgroup2 cgroups "$0"
    for try in $(seq 100); do
      [ -d "$0/$1" ] || exit 0
      find "$0/$1" -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
    exit 1`;
  const { success } = await new Deno.Command("unshare", {
    args: ["-m", "sh", "-c", remove, mountPoint, name],
  }).output();
  if (!success) console.error(`The cgroup ${name} is left`);
}

async function childOf(pid: number): Promise<number | undefined> {
  const path = `/proc/${pid}/task/${pid}/children`;
  const children = await Deno.readTextFile(path).catch(() => "");
  return Number(children.split(" ")[0]) || undefined;
}

async function enter(
  pid: number,
  command: readonly string[],
): Promise<Ran> {
  const { code, stdout, stderr } = await new Deno.Command("nsenter", {
    args: [
      ...["-t", `${pid}`, ...NAMESPACES, "-C", "--", ...command],
    ],
    clearEnv: true,
    env: {
      HOME: "/root",
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}
