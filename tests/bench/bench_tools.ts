/**
 * The Go programs that a benchmark needs, built once for each content of
 * `bench_tools/`, and how they are spoken with: JSON in, JSON out.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { build, kept, type ToolOptions } from "../control_plane/_go_tools.ts";
import type { Campaign, Outcome } from "./campaign.ts";

const MODULE = {
  dir: new URL("bench_tools", import.meta.url).pathname,
  what: "the benchmark's server, processor and clients",
};

/** Path of the executable; built where it is not in the cache. */
export async function findBenchTools(options: ToolOptions): Promise<string> {
  const dir = await kept(
    `bench-tools-${await fingerprint()}`,
    options,
    (dir) => build(MODULE, dir, ["."], options),
  );
  return `${dir}/bench-tools`;
}

/** Hash of every file of the module. */
async function fingerprint(): Promise<string> {
  const names = (await Array.fromAsync(Deno.readDir(MODULE.dir)))
    .map(({ name }) => name).sort();
  const hash = createHash("sha256");
  for (const name of names) {
    hash.update(name).update(await Deno.readFile(`${MODULE.dir}/${name}`));
  }
  return hash.digest("hex").slice(0, 16);
}

/** A program that runs; disposing of it ends it. */
export class BenchTool implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #name: string;
  readonly #output: ReadableStreamDefaultReader<string>;
  /** What it has said of the next line. */
  #said = "";
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  /** Starts a program. */
  constructor(path: string, args: readonly string[]) {
    this.#name = `bench_tools ${args[0]}`;
    this.#child = new Deno.Command(path, {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#output = this.#child.stdout
      .pipeThrough(new TextDecoderStream())
      .getReader();
    this.#input = this.#child.stdin.getWriter();
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Sends it a line. */
  async tell(value: unknown): Promise<void> {
    const line = `${JSON.stringify(value)}\n`;
    await this.#input.write(new TextEncoder().encode(line));
  }

  /**
   * Waits for what it says next.
   *
   * @throws {Error} Where it ends instead; its own words are on our stderr.
   */
  async said<T>(): Promise<T> {
    // In pieces: a line may be as long as a list of 10,000 sessions.
    const pieces = [this.#said];
    while (!pieces.at(-1)?.includes("\n")) {
      const { done, value } = await this.#output.read();
      if (done) {
        const { code } = await this.#child.status;
        throw new Error(
          `Cannot measure: ${this.#name} ended with code ${code}`,
        );
      }
      pieces.push(value);
    }
    const text = pieces.join("");
    const end = text.indexOf("\n");
    this.#said = text.slice(end + 1);
    return JSON.parse(text.slice(0, end));
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
    await this.#output.cancel().catch(() => {});
    await this.#child.status;
  }
}

/** Has clients do what a campaign says. */
export async function runCampaign(
  path: string,
  campaign: Campaign,
): Promise<Outcome> {
  await using clients = new BenchTool(path, ["load"]);
  await clients.tell(campaign);
  return await clients.said<Outcome>();
}
