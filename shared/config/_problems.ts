/**
 * Collects what is wrong with a configuration, each with its place in the
 * file, and shows values in messages without ever breaking a line.
 *
 * @module
 */

import type { ConfigProblem } from "./model.ts";

/** More problems than this are counted, not listed: nobody reads them. */
const MAX_LISTED = 100;

/** Longest piece of a value that a message repeats, in UTF-16 units. */
const MAX_SHOWN = 60;

/** Every problem found so far, in one file. */
export class ProblemList {
  readonly #file: string;
  /** Offset of the first character of each line. */
  readonly #lineStarts: readonly number[];
  readonly #found: ConfigProblem[] = [];
  #errors = 0;

  /**
   * Starts an empty list.
   *
   * @param file The file as it is named in each problem.
   * @param text The whole text, which offsets are into.
   */
  constructor(file: string, text: string) {
    this.#file = file;
    this.#lineStarts = [0, ...text.matchAll(/\n/g).map((m) => m.index + 1)];
  }

  /** Whether anything found keeps the configuration out. */
  get hasErrors(): boolean {
    return this.#errors > 0;
  }

  /** Adds something that keeps the configuration out. */
  error(at: number, path: string, message: string, remedy: string): void {
    this.#errors++;
    this.#add("error", at, path, message, remedy);
  }

  /** Adds something doubtful. */
  warn(at: number, path: string, message: string, remedy: string): void {
    this.#add("warning", at, path, message, remedy);
  }

  /** Line of an offset, from 1; for messages that name two places. */
  lineOf(at: number): number {
    let first = 0;
    let after = this.#lineStarts.length;
    while (after - first > 1) {
      const middle = (first + after) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= at) first = middle;
      else after = middle;
    }
    return first + 1;
  }

  /** What was found, by place; errors first where there are too many. */
  sorted(): readonly ConfigProblem[] {
    const byPlace = (a: ConfigProblem, b: ConfigProblem) =>
      a.line - b.line || a.column - b.column;
    if (this.#found.length <= MAX_LISTED) return this.#found.toSorted(byPlace);
    const listed = this.#found
      .toSorted((a, b) => a.severity.localeCompare(b.severity) || byPlace(a, b))
      .slice(0, MAX_LISTED);
    return [...listed.toSorted(byPlace), {
      severity: this.hasErrors ? "error" : "warning",
      file: this.#file,
      line: 0,
      column: 0,
      path: "",
      message: `${this.#found.length - MAX_LISTED} more problems not shown`,
      remedy: "Correct the ones above first",
    }];
  }

  #add(
    severity: ConfigProblem["severity"],
    at: number,
    path: string,
    message: string,
    remedy: string,
  ): void {
    const line = this.lineOf(at);
    this.#found.push({
      severity,
      file: this.#file,
      line,
      column: at - (this.#lineStarts[line - 1] ?? 0) + 1,
      path,
      message,
      remedy,
    });
  }
}

/**
 * Shows a value in a message: quoted, short, on one line whatever is in it.
 * Never for secrets.
 */
export function shown(value: string | number | boolean | null): string {
  if (typeof value !== "string") return String(value);
  const short = value.length > MAX_SHOWN
    ? `${value.slice(0, MAX_SHOWN)}…`
    : value;
  return oneLine(JSON.stringify(short));
}

/** Escapes what would break a line or turn the text around in a terminal. */
export function oneLine(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex -- control characters are the point
    /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Path of a key below a path: `servers[0].url`, `mcpServers["my server"]`. */
export function below(path: string, key: string): string {
  if (!/^[A-Za-z_][\w-]*$/.test(key)) return `${path}[${shown(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}
