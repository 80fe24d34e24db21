/**
 * Structured logging: JSON lines for machines, or one readable line for
 * people. Never writes tokens, bodies or full session ids.
 *
 * Whatever is logged passes through `_log_value.ts`, which hides secrets by
 * field name and by look, and bounds the size of a record.
 *
 * @module
 */

import { createHash } from "node:crypto";
import {
  escapeControls,
  type PlainValue,
  scrub,
  toPlain,
} from "./_log_value.ts";
import { createLineWriter } from "./_line_writer.ts";

/** Severity, most talkative first. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** What goes with a message. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes log records. */
export interface Logger {
  /** For whoever reads the code. */
  debug(message: string, fields?: LogFields): void;
  /** What a person on call wants to have known. */
  info(message: string, fields?: LogFields): void;
  /** Something is off and the gateway goes on. */
  warn(message: string, fields?: LogFields): void;
  /** Something failed that somebody should look at. */
  error(message: string, fields?: LogFields): void;
  /** A logger that adds fields to every record. */
  with(fields: LogFields): Logger;
}

/** Levels, most talkative first; also the values of `--log-level`. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

/** How a record is written; also the values of `--log-format`. */
export type LogFormat = "json" | "human";

/** Formats; also the values of `--log-format`. */
export const LOG_FORMATS = ["json", "human"] as const;

/** What {@linkcode createLogger} needs to know. */
export interface LoggerOptions {
  /** Name of the program, in every record. */
  readonly program: string;
  /** The most talkative level that is written. `debug` adds stacks to errors. */
  readonly level: LogLevel;
  /** JSON lines, or lines for people. */
  readonly format: LogFormat;
  /** Colours levels in the human format. Off unless asked for. */
  readonly colour?: boolean;
  /**
   * Takes one record without its line end. Writes to standard error by
   * default, synchronously, so that the last words of a program are not lost.
   */
  readonly write?: (line: string) => void;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/**
 * Makes a logger.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createLogger } from "./log.ts";
 *
 * const lines: string[] = [];
 * const log = createLogger({
 *   program: "router",
 *   level: "info",
 *   format: "json",
 *   write: (line) => lines.push(line),
 *   now: () => 0,
 * });
 * log.info("server connected", { server: "weather", authorization: "Bearer x" });
 * assertEquals(JSON.parse(lines[0]!), {
 *   time: "1970-01-01T00:00:00.000Z",
 *   level: "info",
 *   program: "router",
 *   message: "server connected",
 *   server: "weather",
 *   authorization: "[redacted]",
 * });
 * ```
 */
export function createLogger(options: LoggerOptions): Logger {
  const now = options.now ?? Date.now;
  const threshold = LOG_LEVELS.indexOf(options.level);
  const format = options.format === "json" ? formatJson : formatHuman;

  const record = (
    level: LogLevel,
    message: string,
    fields: LogFields,
  ): string => {
    const plain = toPlain(fields, {
      errorsAsText: options.format === "human",
      stacks: options.level === "debug",
      shorten: short,
    });
    return format(options, {
      time: new Date(now()).toISOString(),
      level,
      message: scrub(String(message).slice(0, MAX_MESSAGE)),
      fields: isFields(plain) ? plain : {},
    });
  };
  const write = options.write ?? createLineWriter({
    writeSync: (bytes) => Deno.stderr.writeSync(bytes),
    lost: (count) => record("warn", "log records lost", { count }),
  });

  const bind = (bound: LogFields): Logger => {
    const log = (level: LogLevel, message: string, fields?: LogFields) => {
      if (LOG_LEVELS.indexOf(level) < threshold) return;
      write(record(level, message, fields ? { ...bound, ...fields } : bound));
    };
    return {
      debug: (message, fields) => log("debug", message, fields),
      info: (message, fields) => log("info", message, fields),
      warn: (message, fields) => log("warn", message, fields),
      error: (message, fields) => log("error", message, fields),
      with: (fields) => bind({ ...bound, ...fields }),
    };
  };
  return bind({});
}

/**
 * Shortens an id for the log: the first 8 hex digits of its SHA-256 after a
 * `#`. Equal ids stay equal and nobody can use, or read back, what is written.
 * An id that is already short stays as it is.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { short } from "./log.ts";
 *
 * assertEquals(short("abc"), "#ba7816bf");
 * assertEquals(short(short("abc")), "#ba7816bf");
 * ```
 */
export function short(id: string): string {
  if (/^#[0-9a-f]{8}$/.test(id)) return id;
  return `#${createHash("sha256").update(id).digest("hex").slice(0, 8)}`;
}

interface LogRecord {
  readonly time: string;
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: { readonly [name: string]: PlainValue };
}

/** UTF-16 code units of a message: it is a phrase, the rest goes in fields. */
const MAX_MESSAGE = 1_024;

/** Members that every JSON record has; a field of that name gets a `_`. */
const OWN_MEMBERS: readonly string[] = ["time", "level", "program", "message"];

function formatJson(options: LoggerOptions, record: LogRecord): string {
  const members: Record<string, PlainValue> = Object.create(null);
  members.time = record.time;
  members.level = record.level;
  members.program = options.program;
  members.message = record.message;
  for (const [name, value] of Object.entries(record.fields)) {
    members[OWN_MEMBERS.includes(name) ? `${name}_` : name] = value;
  }
  return escapeControls(JSON.stringify(members));
}

const COLOURS: Readonly<Record<LogLevel, string>> = {
  debug: "\x1b[2m",
  info: "\x1b[32m",
  warn: "\x1b[33m",
  error: "\x1b[31m",
};

function formatHuman(options: LoggerOptions, record: LogRecord): string {
  const padded = record.level.padEnd(5);
  const level = options.colour
    ? `${COLOURS[record.level]}${padded}\x1b[0m`
    : padded;
  const time = record.time.slice(11, 23); // people at a terminal know the day
  const fields = Object.entries(record.fields)
    .map(([name, value]) => ` ${humanText(name)}=${humanValue(value)}`);
  return `${time} ${level} ${options.program}: ${
    escapeControls(record.message)
  }${fields.join("")}`;
}

function humanValue(value: PlainValue): string {
  return typeof value === "string"
    ? humanText(value)
    : escapeControls(JSON.stringify(value));
}

/** Bare where nothing in it can be taken for a delimiter, else quoted. */
function humanText(text: string): string {
  return /^[\w.:/@#+*-]+$/.test(text)
    ? text
    : escapeControls(JSON.stringify(text));
}

function isFields(
  value: PlainValue,
): value is { readonly [name: string]: PlainValue } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
