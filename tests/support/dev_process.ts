/**
 * `deno task dev` as a child process, with a folder of its own for whatever is
 * temporary.
 *
 * @module
 */

import { descendantsOf, isRunning } from "./process_tree.ts";
import { PROJECT_DIR } from "./paths.ts";
import { eventually, within } from "./wait.ts";

/** How to start it. */
export interface DevOptions {
  /** Prepares its folder. */
  readonly before?: (dir: string) => Promise<void>;
}

/** It runs, or has run. Disposing of it ends it the hard way. */
export class DevProcess implements AsyncDisposable {
  /** A folder for files of the test. */
  readonly dir: string;
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<unknown>;
  readonly #temporary: string;
  #text = "";

  /** Takes over a process that was just started. */
  constructor(child: Deno.ChildProcess, dir: string, temporary: string) {
    this.dir = dir;
    this.#child = child;
    this.#temporary = temporary;
    this.#output = Promise.all([
      this.#read(child.stdout),
      this.#read(child.stderr),
    ]);
  }

  /** Id of the `deno task` process. */
  get pid(): number {
    return this.#child.pid;
  }

  /** All it has printed so far, on both streams. */
  get output(): string {
    return this.#text;
  }

  /** Waits until it has printed something; returns what matched. */
  async line(pattern: RegExp, deadlineMs: number): Promise<string> {
    let ended = false;
    void this.#child.status.then(() => ended = true);
    return await eventually(() => {
      const found = pattern.exec(this.#text)?.[0];
      if (found !== undefined) return { found };
      if (ended) return { found: undefined };
      throw new Error(`${pattern} is not in: ${this.#text}`);
    }, { deadlineMs }).then(({ found }) => {
      if (found !== undefined) return found;
      throw new Error(`deno task dev ended: ${this.#text}`);
    });
  }

  /** Waits for its end; returns its exit code. */
  async ended(deadlineMs: number): Promise<number> {
    const status = await within(
      "end of deno task dev",
      this.#child.status,
      deadlineMs,
    );
    await this.#output;
    return status.code;
  }

  /** Ctrl-C: a terminal sends it to the whole foreground group. */
  async interrupt(): Promise<number> {
    Deno.kill(-this.pid, "SIGINT");
    return await this.ended(30_000);
  }

  /** Names of what it left in its temporary folder. */
  async leftBehind(): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(this.#temporary)) {
      names.push(name);
    }
    return names;
  }

  /** Ends it with all it started, and removes its folders. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of [...await descendantsOf(this.pid)].reverse()) {
      if (await isRunning(id)) Deno.kill(id.pid, "SIGKILL");
    }
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.#output;
    await Deno.remove(this.dir, { recursive: true });
    await Deno.remove(this.#temporary, { recursive: true });
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#text += text;
    }
  }
}

/** Starts it with these arguments, which may name files in its folder. */
export async function startDev(
  args: readonly string[] | ((dir: string) => readonly string[]),
  options: DevOptions = {},
): Promise<DevProcess> {
  const dir = await Deno.makeTempDir({ prefix: "dev-test-" });
  const temporary = await Deno.makeTempDir({ prefix: "dev-tmp-" });
  await options.before?.(dir);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "dev", ...typeof args === "function" ? args(dir) : args],
    cwd: PROJECT_DIR,
    env: { TMPDIR: temporary, NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  return new DevProcess(child, dir, temporary);
}
