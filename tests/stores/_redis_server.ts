/**
 * A Redis server of a test's own: on a port of loopback, with a directory that
 * vanishes with it, remembering nothing across a restart.
 *
 * @module
 */

import { freePort, releasePort } from "../../shared/local/ports.ts";
import { eventually } from "../support/wait.ts";

/** Where a server can be had, or why not. */
export type RedisAvailability =
  | { readonly kind: "there"; readonly command: string }
  | { readonly kind: "missing"; readonly reason: string };

/** Finds `redis-server`; where tests must not be skipped, it is installed. */
export async function findRedisServer(): Promise<RedisAvailability> {
  const found = await onPath("redis-server");
  if (found !== undefined) return { kind: "there", command: found };
  const reason = "redis-server is not installed (apt-get install redis-server)";
  if (Deno.env.get("CI") !== "true") return { kind: "missing", reason };
  for (const args of [["update"], ["install", "-y", "redis-server"]]) {
    await new Deno.Command("apt-get", { args: ["-q", ...args] }).output();
  }
  const installed = await onPath("redis-server");
  if (installed === undefined) throw new Error(`Cannot test: ${reason}`);
  return { kind: "there", command: installed };
}

async function onPath(name: string): Promise<string | undefined> {
  for (const dir of (Deno.env.get("PATH") ?? "").split(":")) {
    const path = `${dir}/${name}`;
    const file = await Deno.stat(path).catch(() => undefined);
    if (file?.isFile) return path;
  }
  return undefined;
}

/** A running server; disposing of it ends it. */
export class RedisServer implements AsyncDisposable {
  readonly #command: string;
  readonly #args: readonly string[];
  readonly #dir: string;
  /** TCP port, the same after a restart. */
  readonly port: number;
  #child: Deno.ChildProcess | undefined;

  private constructor(command: string, args: readonly string[]) {
    this.#command = command;
    this.#args = args;
    this.#dir = Deno.makeTempDirSync({ prefix: "redis-test-" });
    this.port = freePort();
  }

  /**
   * Starts one and waits until it answers.
   *
   * @param args More of its command line: `--requirepass`, …
   */
  static async start(
    command: string,
    ...args: readonly string[]
  ): Promise<RedisServer> {
    const server = new RedisServer(command, args);
    await server.start();
    return server;
  }

  /** Its URL. */
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts it again, empty, and waits until it answers. */
  async start(): Promise<void> {
    this.#child = new Deno.Command(this.#command, {
      args: [
        ...["--port", String(this.port), "--bind", "127.0.0.1"],
        ...["--dir", this.#dir, "--save", "", "--appendonly", "no"],
        ...["--daemonize", "no", "--logfile", `${this.#dir}/log`],
        ...this.#args,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await eventually(() => this.ask("PING"), { intervalMs: 5 });
  }

  /** Sends one command over a connection of its own; answers what comes. */
  async ask(...words: readonly string[]): Promise<string> {
    using connection = await Deno.connect({
      hostname: "127.0.0.1",
      port: this.port,
    });
    const inline = `${words.join(" ")}\r\n`;
    await connection.write(new TextEncoder().encode(inline));
    const buffer = new Uint8Array(65_536);
    const length = await connection.read(buffer) ?? 0;
    return new TextDecoder().decode(buffer.subarray(0, length)).trim();
  }

  /** Sends a signal to it: SIGSTOP, SIGCONT. */
  signal(signal: Deno.Signal): void {
    this.#child?.kill(signal);
  }

  /** Kills it, whatever it is doing. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    child?.kill("SIGKILL");
    await child?.status;
  }

  /** Kills it and removes its directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    releasePort(this.port);
    await Deno.remove(this.#dir, { recursive: true });
  }
}
