/**
 * Keeps the configuration in force up to date with its file: reads it at
 * start, again whenever it changes, and swaps only to a valid one. Decides
 * when a change is complete; what the content means is `parse.ts`' business.
 *
 * | content | what happens |
 * |---|---|
 * | valid, another version | in force, `onChange` |
 * | valid, same version | nothing, its warnings replace the problems |
 * | invalid | reported once, the last good one stays |
 * | the one in force, cut off inside a line | as invalid |
 * | file not there | reported once, the last good one stays |
 *
 * A write in two steps (truncate, then write) shows as a doubtful content that
 * is soon replaced, so a doubtful content is only believed when it has stood
 * for a while.
 *
 * @module
 */

import type { LogFields } from "../log.ts";
import {
  type ConfigListeners,
  type ConfigState,
  InForce,
} from "./_in_force.ts";
import type { ConfigProblem } from "./model.ts";
import { parseConfig } from "./parse.ts";

export type { ConfigListeners, ConfigState } from "./_in_force.ts";

/** Says that something in a directory changed, until closed. */
export interface DirectoryWatch extends AsyncIterable<unknown> {
  /** Ends the iteration. */
  close(): void;
}

/** What watching needs of the world. */
export interface WatchIo {
  /** Reads a file as UTF-8. */
  readonly readTextFile: (path: string) => Promise<string>;
  /** Watches the entries of a directory; throws where that is not possible. */
  readonly watchDirectory: (path: string) => DirectoryWatch;
  /** Waits; returns early, without an error, when the signal is aborted. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** How to watch a configuration. */
export interface WatchOptions extends ConfigListeners {
  /** Path of the file, as it is to be named in problems. */
  readonly file: string;
  /** Ends the watching. */
  readonly signal: AbortSignal;
  /** Files and timers; those of Deno by default. */
  readonly io?: WatchIo;
  /** Milliseconds without a change after which a write counts as complete. */
  readonly debounceMs?: number;
  /** The same for doubtful content: invalid, shortened or gone. */
  readonly settleMs?: number;
  /** Milliseconds between looks at the file while nothing is announced. */
  readonly pollMs?: number;
}

/** A watched configuration. */
export interface ConfigWatch {
  /** What is in force now. */
  readonly state: ConfigState;
  /** Settles, without an error, once the watching has ended. */
  readonly done: Promise<void>;
}

/** Files and timers of Deno. */
export const DENO_IO: WatchIo = {
  readTextFile: (path) => Deno.readTextFile(path),
  watchDirectory: (path) => {
    const watcher = Deno.watchFs(path, { recursive: false });
    return {
      close: () => {
        try {
          watcher.close();
        } catch (error) {
          // It closes itself when its directory goes away.
          if (!(error instanceof Deno.errors.BadResource)) throw error;
        }
      },
      async *[Symbol.asyncIterator]() {
        for await (const event of watcher) {
          // Our own reading is an access.
          if (event.kind !== "access") yield event;
        }
      },
    };
  },
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal.addEventListener("abort", wake);
    }),
};

/** The file as it was read: its text, or why there is none. */
type Content =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "unreadable"; readonly reason: string };

/** A content that never settles is taken as it is after so many looks. */
const MAX_LOOKS = 20;

/**
 * Starts watching. Returns when the file has been read once, with a
 * configuration in force if it was a valid one.
 */
export async function watchConfig(options: WatchOptions): Promise<ConfigWatch> {
  const watch = new FileWatch(options);
  await watch.load();
  return watch;
}

class FileWatch implements ConfigWatch {
  readonly #options: WatchOptions;
  readonly #io: WatchIo;
  readonly #debounceMs: number;
  readonly #settleMs: number;
  readonly #pollMs: number;
  /** What was last judged. */
  #seen: Content | undefined;
  /** Text of the configuration in force. */
  #goodText = "";
  readonly #inForce: InForce;
  #directory: DirectoryWatch | undefined;
  #pump: Promise<void> = Promise.resolve();
  #directoryFault = "";
  /** Aborted when there is a reason to look at the file. */
  #bell = new AbortController();
  #done: Promise<void> = Promise.resolve();

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#inForce = new InForce(options.file, options);
    this.#io = options.io ?? DENO_IO;
    this.#debounceMs = options.debounceMs ?? 50;
    this.#settleMs = options.settleMs ?? 400;
    this.#pollMs = options.pollMs ?? 2000;
  }

  get state(): ConfigState {
    return this.#inForce.state;
  }

  get done(): Promise<void> {
    return this.#done;
  }

  /** Reads for the first time, watching already so that no change is lost. */
  async load(): Promise<void> {
    this.#openDirectory();
    this.#options.signal.addEventListener("abort", () => this.#bell.abort(), {
      once: true,
    });
    await this.#judge(await this.#read());
    this.#done = this.#run();
  }

  /** Looks at the file on each ring of the bell, and now and then. */
  async #run(): Promise<void> {
    const { signal } = this.#options;
    while (!signal.aborted) {
      await this.#io.sleep(this.#pollMs, this.#bell.signal);
      const announced = this.#bell.signal.aborted;
      this.#bell = new AbortController();
      if (signal.aborted) break;
      // Bounds how often a busy directory makes us read.
      if (announced) await this.#io.sleep(this.#debounceMs, signal);
      const changed = await this.#look();
      // A directory that was replaced is watched no more, and does not say so.
      if (!announced && (changed || this.#directory === undefined)) {
        this.#openDirectory();
      }
    }
    this.#directory?.close();
    await this.#pump;
  }

  /** Judges the file's content if it is new, once it has settled. */
  async #look(): Promise<boolean> {
    const { signal } = this.#options;
    let content = await this.#read();
    if (same(content, this.#seen)) return false;
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const before = content;
      const waitMs = this.#isDoubtful(content)
        ? this.#settleMs
        : this.#debounceMs;
      // In steps, so that what replaces a doubtful content is soon seen.
      for (let waited = 0; waited < waitMs; waited += this.#debounceMs) {
        await this.#io.sleep(this.#debounceMs, signal);
        if (signal.aborted) return false;
        content = await this.#read();
        if (!same(content, before)) break;
      }
      if (same(content, before)) break;
    }
    if (same(content, this.#seen)) return false;
    await this.#judge(content);
    return true;
  }

  /** Whether the content looks like the middle of a change. */
  #isDoubtful(content: Content): boolean {
    if (content.kind === "unreadable" || this.#isShortened(content.text)) {
      return true;
    }
    return !parseConfig(content.text, { file: this.#options.file }).ok;
  }

  /** Whether the text is a beginning of the one in force. */
  #isShortened(text: string): boolean {
    return text.length < this.#goodText.length &&
      this.#goodText.startsWith(text);
  }

  /** Swaps to a content, or reports what is wrong with it. */
  async #judge(content: Content): Promise<void> {
    this.#seen = content;
    const { file } = this.#options;
    if (content.kind === "unreadable") {
      return this.#inForce.refuse([unreadable(file, content.reason)]);
    }
    const { text } = content;
    const result = parseConfig(text, { file });
    if (!result.ok) return this.#inForce.refuse(result.problems);
    const cut = this.#isShortened(text) && endsInsideLine(text, this.#goodText);
    if (cut && result.config.version !== this.state.config?.version) {
      return this.#inForce.refuse([cutOff(file, text)]);
    }
    this.#goodText = text;
    await this.#inForce.accept(result.config, result.problems);
  }

  #log(level: "info" | "warn" | "error", message: string, fields: LogFields) {
    this.#options.log[level](message, { file: this.#options.file, ...fields });
  }

  async #read(): Promise<Content> {
    try {
      const text = await this.#io.readTextFile(this.#options.file);
      return { kind: "text", text };
    } catch (error) {
      const reason = error instanceof Error ? error.name : "unknown error";
      return { kind: "unreadable", reason };
    }
  }

  /** Watches the directory afresh; without it the polling has to do. */
  #openDirectory(): void {
    this.#directory?.close();
    this.#directory = undefined;
    const path = parentOf(this.#options.file);
    try {
      const directory = this.#io.watchDirectory(path);
      this.#directory = directory;
      this.#pump = Promise.all([this.#pump, this.#listen(directory)])
        .then(() => {});
      this.#directoryFault = "";
    } catch (error) {
      this.#reportDirectory(path, error);
    }
  }

  /** Rings the bell for each change in the directory. */
  async #listen(directory: DirectoryWatch): Promise<void> {
    try {
      for await (const _ of directory) this.#bell.abort();
    } catch (error) {
      this.#reportDirectory(parentOf(this.#options.file), error);
    }
    if (this.#directory === directory) this.#directory = undefined;
  }

  /** Says once that changes are found by polling only. */
  #reportDirectory(path: string, error: unknown): void {
    const fault = String(error);
    if (fault === this.#directoryFault) return;
    this.#directoryFault = fault;
    this.#log("warn", "configuration directory not watched", {
      directory: path,
      error: fault,
      pollMs: this.#pollMs,
    });
  }
}

function same(a: Content, b: Content | undefined): boolean {
  if (a.kind === "text") return b?.kind === "text" && a.text === b.text;
  return b?.kind === "unreadable" && a.reason === b.reason;
}

/** The directory that a file is in; symbolic links are left alone. */
function parentOf(file: string): string {
  const slash = file.lastIndexOf("/");
  if (slash === 0) return "/";
  return slash < 0 ? "." : file.slice(0, slash);
}

/** Whether a beginning of a text ends within one of its lines. */
function endsInsideLine(beginning: string, whole: string): boolean {
  const next = whole[beginning.length];
  return !beginning.endsWith("\n") && next !== "\n" && next !== "\r";
}

function unreadable(file: string, reason: string): ConfigProblem {
  const missing = reason === "NotFound";
  return {
    severity: "error",
    file,
    line: 0,
    column: 0,
    path: "",
    message: missing
      ? "Cannot read the configuration: there is no such file"
      : `Cannot read the configuration: ${reason}`,
    remedy: missing
      ? "Create it, or name another one with --config"
      : reason === "NotCapable"
      ? "Use a file in the directory that this program was built for, or build it with another one (deno task build --config-dir)"
      : "Let this program's user read the file",
  };
}

function cutOff(file: string, text: string): ConfigProblem {
  const lines = text.split("\n");
  return {
    severity: "error",
    file,
    line: lines.length,
    column: (lines.at(-1)?.length ?? 0) + 1,
    path: "",
    message:
      "Cannot use the file: it is the one in force, cut off inside a line",
    remedy:
      "Write it whole; if nothing is missing, end its last line with a line break",
  };
}
