/**
 * Child processes that are looked after: their output by lines, their end
 * noticed, started again after a crash, and nothing of them left behind.
 *
 * Each runs in a process group of its own, so that Ctrl-C at a terminal goes
 * to us alone and whatever a child has started can be ended with it. A guard
 * beside it does the same should we be killed ourselves.
 *
 * @module
 */

import { TextLineStream } from "./text_lines.ts";
import { delay } from "../wait.ts";

/** What to run, and how to look after it. */
export interface ProcessSpec {
  /** What it is called in messages: `router`. */
  readonly name: string;
  /** Path of the executable. */
  readonly command: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** Environment variables besides our own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Gets each line it prints, on either stream, without its end. */
  readonly onLine?: (line: string) => void;
  /**
   * Resolves when it can be used; called after each start, and ended by the
   * signal when the process ends first. Used at once where left out.
   */
  readonly ready?: (signal: AbortSignal) => Promise<void>;
  /** Starts it again when it ends by itself. Off unless given. */
  readonly restart?: RestartPolicy;
  /** Milliseconds between SIGTERM and SIGKILL. Default 5000. */
  readonly stopMs?: number;
}

/** How a process that ended by itself is started again. */
export interface RestartPolicy {
  /** Milliseconds before the first attempt; doubled for each further one. */
  readonly firstMs: number;
  /** Milliseconds at most. */
  readonly maxMs: number;
  /** Milliseconds of running after which the next end counts as the first. */
  readonly steadyMs: number;
  /** Told of every end and of the pause that follows. */
  readonly onCrash: (crash: Crash) => void;
}

/** A process ended that should not have. */
export interface Crash {
  /** Name of the process. */
  readonly name: string;
  /** `code 1`, or the signal: `SIGKILL`. */
  readonly how: string;
  /** Milliseconds until it is started again. */
  readonly againInMs: number;
  /** Its last lines. */
  readonly lastLines: readonly string[];
}

/** A process that could not be started, or ended while it was waited for. */
export class ProcessError extends Error {
  /** Its last lines. */
  readonly lastLines: readonly string[];

  /**
   * Builds an error.
   *
   * @param message What happened.
   * @param lastLines Its last lines.
   * @param options `cause` is what went wrong underneath.
   */
  constructor(
    message: string,
    lastLines: readonly string[],
    options?: ErrorOptions,
  ) {
    super(
      lastLines.length === 0
        ? message
        : `${message}. It said:\n  ${lastLines.join("\n  ")}`,
      options,
    );
    this.name = "ProcessError";
    this.lastLines = lastLines;
  }
}

const STOP_MS = 5_000;
/** Lines kept, for messages and for whoever asks. */
const KEPT_LINES = 2_000;
const SHOWN_LINES = 12;

/** One run of the program, from start to end. */
interface Run {
  readonly child: Deno.ChildProcess;
  /** Resolves when the process has ended and its output is read. */
  readonly ended: Promise<Deno.CommandStatus>;
  readonly startedAt: number;
}

/** A child process. Disposing of it stops it. */
export class LocalProcess implements AsyncDisposable {
  readonly #spec: ProcessSpec;
  readonly #lines: string[] = [];
  #run: Run | undefined;
  #status: Deno.CommandStatus | undefined;
  /** Aborted to keep the process from being started again. */
  #halt = new AbortController();
  #supervision: Promise<void> = Promise.resolve();

  /** Takes a spec; starts nothing. */
  constructor(spec: ProcessSpec) {
    this.#spec = spec;
  }

  /** What it is called. */
  get name(): string {
    return this.#spec.name;
  }

  /** Process id of the present run, or of the last one. */
  get pid(): number {
    if (this.#run === undefined) {
      throw new Error(`Cannot tell the pid of ${this.name}: it never ran`);
    }
    return this.#run.child.pid;
  }

  /** Whether it runs. */
  get running(): boolean {
    return this.#run !== undefined && this.#status === undefined;
  }

  /** Its last lines of output, oldest first, over all runs. */
  get log(): readonly string[] {
    return this.#lines;
  }

  /** How the present run ends; pending while it goes on. */
  get ended(): Promise<Deno.CommandStatus> {
    if (this.#run === undefined) {
      return Promise.reject(new Error(`${this.name} never ran`));
    }
    return this.#run.ended;
  }

  /**
   * Starts it and waits until it is ready.
   *
   * @throws {ProcessError} If it cannot be started or ends first; nothing is
   * left running then.
   */
  async start(signal?: AbortSignal): Promise<void> {
    if (this.running) {
      throw new Error(`Cannot start ${this.name}: it runs already`);
    }
    signal?.throwIfAborted();
    this.#halt = new AbortController();
    const run = this.#spawn();
    try {
      await this.#untilReady(run, signal);
    } catch (cause) {
      await this.stop();
      throw cause;
    }
    const { restart } = this.#spec;
    if (restart !== undefined) {
      this.#supervision = this.#supervise(run, restart, this.#halt.signal);
    }
  }

  /** Sends a signal to the process; SIGKILL by default. No error if it is gone. */
  kill(signal: Deno.Signal = "SIGKILL"): void {
    if (this.running) sendSignal(this.pid, signal);
  }

  /**
   * Ends it: SIGTERM, SIGKILL after a while, and the same for all that it
   * started. Resolves when nothing is left. Does nothing where it does not run.
   */
  async stop(): Promise<void> {
    this.#halt.abort(new Error(`${this.name} is stopped`));
    await this.#supervision;
    const run = this.#run;
    if (run === undefined) return;
    if (this.running) sendSignal(run.child.pid, "SIGTERM");
    const stopMs = this.#spec.stopMs ?? STOP_MS;
    const killer = setTimeout(() => killGroup(run.child.pid), stopMs);
    try {
      await run.ended;
    } finally {
      clearTimeout(killer);
    }
  }

  /** Stops it where it runs, starts it, and waits until it is ready. */
  async restart(signal?: AbortSignal): Promise<void> {
    await this.stop();
    await this.start(signal);
  }

  /** Ends it, as {@linkcode LocalProcess.stop} does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #spawn(): Run {
    const { command, args, env } = this.#spec;
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(command, {
        args: [...args],
        ...(env === undefined ? {} : { env }),
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
        detached: true,
      }).spawn();
    } catch (cause) {
      throw new ProcessError(
        `Cannot start ${this.name}: ${
          cause instanceof Error ? cause.message : cause
        }`,
        [],
        { cause },
      );
    }
    this.#status = undefined;
    const guard = startGuard(child.pid);
    const output = Promise.all([
      this.#read(child.stdout),
      this.#read(child.stderr),
    ]);
    const ended = child.status.then(async (status) => {
      this.#status = status;
      // What it started may hold its output open, and must not outlive it.
      killGroup(child.pid);
      await Promise.all([output, guard.dismiss()]);
      return status;
    });
    this.#run = { child, ended, startedAt: performance.now() };
    return this.#run;
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    const lines = stream
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream());
    for await (const line of lines) {
      this.#lines.push(line);
      if (this.#lines.length > KEPT_LINES) this.#lines.shift();
      this.#spec.onLine?.(line);
    }
  }

  async #untilReady(run: Run, signal?: AbortSignal): Promise<void> {
    const { ready } = this.#spec;
    if (ready === undefined) return;
    const over = new AbortController();
    const looking = ready(
      signal ? AbortSignal.any([signal, over.signal]) : over.signal,
    );
    const ended = run.ended.then((status) => {
      throw new ProcessError(
        `Cannot use ${this.name}: it ended with ${describe(status)}`,
        this.#lines.slice(-SHOWN_LINES),
      );
    });
    // Only one of the two is looked at; the other must not go unhandled.
    ended.catch(() => {});
    try {
      await Promise.race([looking, ended]);
    } catch (cause) {
      if (cause instanceof ProcessError || signal?.aborted) throw cause;
      throw new ProcessError(
        `Cannot use ${this.name}: ${
          cause instanceof Error ? cause.message : cause
        }`,
        this.#lines.slice(-SHOWN_LINES),
        { cause },
      );
    } finally {
      over.abort(new Error(`${this.name} ended`));
      await looking.catch(() => {});
    }
  }

  /** Starts it again as often as it ends, until told to stop. */
  async #supervise(
    first: Run,
    policy: RestartPolicy,
    halt: AbortSignal,
  ): Promise<void> {
    const halted = new Promise<void>((resolve) => {
      halt.addEventListener("abort", () => resolve(), { once: true });
    });
    let run = first;
    let pauseMs = policy.firstMs;
    while (true) {
      const status = await Promise.race([run.ended, halted]);
      if (halt.aborted || !status) return;
      if (performance.now() - run.startedAt > policy.steadyMs) {
        pauseMs = policy.firstMs;
      }
      policy.onCrash({
        name: this.name,
        how: describe(status),
        againInMs: pauseMs,
        lastLines: this.#lines.slice(-SHOWN_LINES),
      });
      try {
        await delay(pauseMs, halt);
        run = this.#spawn();
      } catch (cause) {
        if (halt.aborted) return;
        // The executable is gone for the moment (an update replaces it).
        this.#spec.onLine?.(
          cause instanceof Error ? cause.message : `${cause}`,
        );
      }
      pauseMs = Math.min(pauseMs * 2, policy.maxMs);
    }
  }
}

/**
 * Starts a shell that waits for the end of its input, which comes when we do
 * not exist any more, and then kills a process group.
 */
function startGuard(group: number): { dismiss(): Promise<void> } {
  const guard = new Deno.Command("/bin/sh", {
    args: ["-c", `read -r _; kill -s KILL -- -${group} 2>/dev/null`],
    stdin: "piped",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  return {
    async dismiss() {
      sendSignal(guard.pid, "SIGKILL");
      await guard.status;
      await guard.stdin.close().catch(() => {}); // nobody reads it any more
    },
  };
}

function describe(status: Deno.CommandStatus): string {
  return status.signal ?? `code ${status.code}`;
}

function sendSignal(pid: number, signal: Deno.Signal): void {
  try {
    Deno.kill(pid, signal);
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Ends a process and everything it started. */
function killGroup(pid: number): void {
  sendSignal(-pid, "SIGKILL");
}

function isGone(error: unknown): boolean {
  // ESRCH: no such process. Deno has no class of its own for it everywhere.
  return error instanceof Deno.errors.NotFound ||
    (error instanceof TypeError && /already terminated/.test(error.message)) ||
    (error instanceof Error && /ESRCH|No such process/.test(error.message));
}
