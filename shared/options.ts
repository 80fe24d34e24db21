/**
 * Command-line options and environment variables: one table per program, from
 * which parsing, validation, help and documentation come. Knows nothing of
 * what the options mean. Pure.
 *
 * A flag wins over its environment variable, which wins over the default. All
 * problems are reported together.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseOptions } from "./options.ts";
 *
 * const TABLE = {
 *   drainSeconds: {
 *     kind: "integer",
 *     min: 0,
 *     max: 3600,
 *     default: 20,
 *     help: "How long calls in flight may take at shutdown",
 *   },
 *   listen: { kind: "address", default: "0.0.0.0:8080", help: "Where to serve" },
 * } as const;
 *
 * const outcome = parseOptions(TABLE, ["--drain-seconds", "5"], new Map());
 * assertEquals(outcome, {
 *   kind: "options",
 *   values: {
 *     drainSeconds: 5,
 *     listen: { kind: "tcp", host: "0.0.0.0", port: 8080 },
 *   },
 * });
 * ```
 *
 * @module
 */

import { type Address, parseAddress } from "./address.ts";
import { nearestName } from "./nearest_name.ts";

export type { Address, TcpAddress, UnixAddress } from "./address.ts";

/** What every option has. */
export interface OptionBase {
  /** One sentence fragment, without a final stop. */
  readonly help: string;
  /** What stands for the value in help; upper case. By kind where left out. */
  readonly placeholder?: string;
  /** Environment variable, where it is not `GATEWAY_` and the name. */
  readonly env?: string;
  /** False for what may only come from the environment: `ps` shows flags. */
  readonly flag?: false;
  /** Its value appears in no message. */
  readonly secret?: true;
  /** Key of an option that may not be given beside this one. */
  readonly excludes?: string;
}

/** A text. */
export interface StringOption extends OptionBase {
  /**
   * `string` any text, `path` a file or directory, `header` an HTTP header
   * name, which is put in lower case.
   */
  readonly kind: "string" | "path" | "header";
  /** Value where none is given; without it the value is undefined. */
  readonly default?: string;
  /** Says what is wrong with a value, or undefined. */
  readonly check?: (value: string) => string | undefined;
}

/** A whole number. */
export interface IntegerOption extends OptionBase {
  /** `integer`. */
  readonly kind: "integer";
  /** Smallest value. */
  readonly min: number;
  /** Greatest value. */
  readonly max: number;
  /** Value where none is given; without it the value is undefined. */
  readonly default?: number;
}

/** A switch, off unless given: `--flag`, `--flag=false`. */
export interface BooleanOption extends OptionBase {
  /** `boolean`. */
  readonly kind: "boolean";
  /** Value where none is given; false where left out. */
  readonly default?: boolean;
}

/** One of some words. */
export interface EnumOption extends OptionBase {
  /** `enum`. */
  readonly kind: "enum";
  /** The words. */
  readonly values: readonly string[];
  /** Value where none is given; without it the value is undefined. */
  readonly default?: string;
}

/** An absolute http or https URL without credentials. */
export interface UrlOption extends OptionBase {
  /** `url`. */
  readonly kind: "url";
  /** Value where none is given; without it the value is undefined. */
  readonly default?: string;
}

/** Where to listen: `HOST:PORT`, `[IPV6]:PORT` or `unix:/path`. */
export interface AddressOption extends OptionBase {
  /** `address`. */
  readonly kind: "address";
  /** Value where none is given; without it the value is undefined. */
  readonly default?: string;
}

/** Several values, comma separated, or the flag several times. */
export interface ListOption extends OptionBase {
  /** `list`. */
  readonly kind: "list";
  /** What it is a list of. */
  readonly of: "string" | "address";
  /** Value where none is given, comma separated; empty where left out. */
  readonly default?: string;
}

/** One row of a table. */
export type Option =
  | StringOption
  | IntegerOption
  | BooleanOption
  | EnumOption
  | UrlOption
  | AddressOption
  | ListOption;

/**
 * A program's options by key. The key `drainSeconds` makes the flag
 * `--drain-seconds` and the environment variable `GATEWAY_DRAIN_SECONDS`.
 */
export type OptionTable = Readonly<Record<string, Option>>;

/** The type of a value of one option that is given. */
export type GivenValue<O extends Option> = O extends
  { readonly kind: "integer" } ? number
  : O extends { readonly kind: "boolean" } ? boolean
  : O extends { readonly kind: "enum"; readonly values: infer Values }
    ? Values extends readonly (infer Word)[] ? Word : never
  : O extends { readonly kind: "url" } ? URL
  : O extends { readonly kind: "address" } ? Address
  : O extends { readonly kind: "list"; readonly of: "address" }
    ? readonly Address[]
  : O extends { readonly kind: "list" } ? readonly string[]
  : string;

/**
 * Options that always have a value: of a kind with a value of its own for
 * "none", or with a default.
 */
export type AlwaysGiven = { readonly kind: "boolean" | "list" } | {
  readonly default: string | number | boolean;
};

/** The type of the value of one option. */
export type OptionValue<O extends Option> = O extends AlwaysGiven
  ? GivenValue<O>
  : GivenValue<O> | undefined;

/** The values of a table, by key. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: OptionValue<T[K]>;
};

/** Where variables are read: `Deno.env`, or a Map. */
export interface Environment {
  /** The variable's value; undefined where it is not set. */
  get(name: string): string | undefined;
}

/** What help says about the program itself. */
export interface ProgramDescription {
  /** Its name on the command line. */
  readonly program: string;
  /** What it is for, in a sentence. */
  readonly summary: string;
  /** What may stand on its command line besides options: `[FILE]`. */
  readonly operands?: string;
  /** What else it does when the first argument says so. */
  readonly commands?: readonly CommandDescription[];
}

/** What help says about a command of a program. */
export interface CommandDescription {
  /** The first argument that asks for it. */
  readonly name: string;
  /** What may follow besides options: `[FILE]`. */
  readonly operands?: string;
  /** What it does, in a sentence without a final stop. */
  readonly summary: string;
}

/** What the arguments ask for. */
export type OptionsOutcome<V> =
  | { readonly kind: "options"; readonly values: V }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  | { readonly kind: "invalid"; readonly problems: readonly string[] };

/**
 * Reads arguments and environment by a table. `--help` anywhere wins over
 * `--version`, that over everything else. An environment variable that is
 * empty counts as not set.
 */
export function parseOptions<const T extends OptionTable>(
  table: T,
  args: readonly string[],
  env: Environment,
  about?: ProgramDescription,
): OptionsOutcome<OptionValues<T>> {
  if (args.includes("--help") || args.includes("-h")) {
    return { kind: "help", text: helpText(table, about) };
  }
  if (args.includes("--version") || args.includes("-V")) {
    return { kind: "version" };
  }
  const problems: string[] = [];
  const flags = readFlags(table, args, problems);
  const given = new Map<string, string>();
  const values: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(table)) {
    const source = findSource(key, option, flags, env, problems);
    if (source !== undefined) given.set(key, source.name);
    const text = source?.text ?? defaultText(option);
    const name = source?.name ?? `the default of ${nameOf(key, option)}`;
    const parsed = text === undefined
      ? { value: option.kind === "list" ? [] : undefined }
      : parseValue(option, text);
    if ("problem" in parsed) {
      const shown = option.secret ? "" : `${JSON.stringify(text)}: `;
      problems.push(`Cannot use ${name}: ${shown}${parsed.problem}`);
    } else {
      values[key] = parsed.value;
    }
  }
  for (const [key, name] of given) {
    const other = table[key]?.excludes;
    const otherName = other === undefined ? undefined : given.get(other);
    if (otherName !== undefined) {
      problems.push(`Cannot use ${name} and ${otherName} together: give one`);
    }
  }
  return problems.length > 0
    ? { kind: "invalid", problems }
    : { kind: "options", values: values as OptionValues<T> };
}

interface Source {
  /** How the user knows it: the flag or the variable. */
  readonly name: string;
  readonly text: string;
}

function findSource(
  key: string,
  option: Option,
  flags: ReadonlyMap<string, string>,
  env: Environment,
  problems: string[],
): Source | undefined {
  const flag = flags.get(key);
  if (flag !== undefined) return { name: `--${kebab(key)}`, text: flag };
  const name = envName(key, option);
  try {
    const text = env.get(name);
    return text === undefined || text === "" ? undefined : { name, text };
  } catch {
    problems.push(
      `Cannot read ${name}: this program may not (deno run --allow-env=${name})`,
    );
    return undefined;
  }
}

/** Collects flags as texts by key; whatever is no flag becomes a problem. */
function readFlags(
  table: OptionTable,
  args: readonly string[],
  problems: string[],
): Map<string, string> {
  const keys = new Map<string, string>();
  for (const [key, option] of Object.entries(table)) {
    if (option.flag !== false) keys.set(kebab(key), key);
  }
  const flags = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (!arg.startsWith("--") || arg === "--") {
      problems.push(`Unexpected argument ${JSON.stringify(arg)}`);
      continue;
    }
    const equals = arg.indexOf("=");
    const name = arg.slice(2, equals === -1 ? undefined : equals);
    const key = keys.get(name);
    const option = key === undefined ? undefined : table[key];
    const next = args[i + 1];
    const takesNext = equals === -1 && option?.kind !== "boolean" &&
      next !== undefined && !next.startsWith("--");
    if (key === undefined || option === undefined) {
      problems.push(unknownFlag(name, table, [...keys.keys()]));
      // What follows is most likely its value, not a mistake of its own.
      if (takesNext) i++;
      continue;
    }
    let text: string;
    if (equals !== -1) {
      text = arg.slice(equals + 1);
    } else if (option.kind === "boolean") {
      text = "true";
    } else if (takesNext) {
      text = next;
      i++;
    } else {
      problems.push(`Missing value of --${name} ${placeholderOf(option)}`);
      continue;
    }
    const before = flags.get(key);
    if (before !== undefined && option.kind !== "list") {
      problems.push(`--${name} is given twice`);
    }
    flags.set(key, before === undefined ? text : `${before},${text}`);
  }
  return flags;
}

function unknownFlag(
  name: string,
  table: OptionTable,
  names: readonly string[],
): string {
  const hidden = Object.entries(table).find(([key, option]) =>
    option.flag === false && kebab(key) === name
  );
  if (hidden !== undefined) {
    return `Unknown option --${name}: set ${
      envName(...hidden)
    } in the environment instead`;
  }
  const nearest = nearestName(name, [...names, "help", "version"]);
  return nearest === undefined
    ? `Unknown option --${name}`
    : `Unknown option --${name}: did you mean --${nearest}?`;
}

type Parsed = { readonly value: unknown } | { readonly problem: string };

function parseValue(option: Option, text: string): Parsed {
  switch (option.kind) {
    case "string":
    case "path":
    case "header":
      return parseText(option, text);
    case "integer":
      return parseInteger(option, text);
    case "boolean":
      if (/^(true|1)$/i.test(text)) return { value: true };
      if (/^(false|0)$/i.test(text)) return { value: false };
      return { problem: "want true or false" };
    case "enum":
      return option.values.includes(text)
        ? { value: text }
        : { problem: `want ${option.values.join(" or ")}` };
    case "url":
      return parseUrl(text);
    case "address":
      return parseAddressValue(text);
    case "list":
      return parseList(option, text);
    default:
      return option satisfies never;
  }
}

function parseText(option: StringOption, text: string): Parsed {
  if (text === "") return { problem: "want a text that is not empty" };
  if (text.includes("\0")) return { problem: "want a text without NUL" };
  if (option.kind === "header" && !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)) {
    return { problem: "want the name of an HTTP header" };
  }
  const problem = option.check?.(text);
  if (problem !== undefined) return { problem };
  return { value: option.kind === "header" ? text.toLowerCase() : text };
}

function parseInteger(option: IntegerOption, text: string): Parsed {
  const value = Number(text);
  return /^-?\d{1,15}$/.test(text) && value >= option.min && value <= option.max
    ? { value }
    : { problem: `want a whole number from ${option.min} to ${option.max}` };
}

function parseUrl(text: string): Parsed {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    return { problem: "want an absolute http:// or https:// URL" };
  }
  if (url.username !== "" || url.password !== "") {
    return { problem: "want a URL without user and password" };
  }
  return { value: url };
}

function parseAddressValue(text: string): Parsed {
  const parsed = parseAddress(text);
  return parsed.ok ? { value: parsed.address } : { problem: parsed.problem };
}

function parseList(option: ListOption, text: string): Parsed {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.includes("")) {
    return { problem: "want values separated by single commas" };
  }
  if (option.of === "string") return { value: parts };
  const values: unknown[] = [];
  for (const part of parts) {
    const parsed = parseAddressValue(part);
    if ("problem" in parsed) {
      return { problem: `${JSON.stringify(part)}: ${parsed.problem}` };
    }
    values.push(parsed.value);
  }
  return { value: values };
}

function defaultText(option: Option): string | undefined {
  if (option.kind === "boolean") return String(option.default ?? false);
  return option.default === undefined ? undefined : String(option.default);
}

/** One option as help and documentation show it. */
export interface OptionRow {
  /** Key in the table. */
  readonly key: string;
  /** `--drain-seconds SECONDS`; undefined for the environment's own. */
  readonly flag: string | undefined;
  /** Environment variable. */
  readonly env: string;
  /** Default as it would be written; undefined where there is none. */
  readonly default: string | undefined;
  /** What it is for. */
  readonly help: string;
}

/** Lists a table's options for help texts and documentation. */
export function describeOptions(table: OptionTable): OptionRow[] {
  return Object.entries(table).map(([key, option]) => ({
    key,
    flag: option.flag === false
      ? undefined
      : `--${kebab(key)}${
        option.kind === "boolean" ? "" : ` ${placeholderOf(option)}`
      }`,
    env: envName(key, option),
    default: option.kind === "boolean"
      ? undefined
      : defaultText(option) || undefined,
    help: option.help,
  }));
}

/** Names of the environment variables of a table, for `--allow-env`. */
export function environmentNames(table: OptionTable): string[] {
  return Object.entries(table).map(([key, option]) => envName(key, option));
}

/** Width of help texts, in columns. */
const HELP_WIDTH = 80;
const HELP_INDENT = 6;

function helpText(table: OptionTable, about?: ProgramDescription): string {
  const lines: string[] = [];
  if (about !== undefined) {
    lines.push(...wrap(about.summary, HELP_WIDTH), "");
  }
  const program = about?.program ?? "gateway";
  const operands = about?.operands === undefined ? "" : ` ${about.operands}`;
  lines.push(`Usage: ${program} [OPTIONS]${operands}`, "");
  if (about?.commands !== undefined && about.commands.length > 0) {
    lines.push(`Commands, each with a --help of its own:`);
    for (const { name, operands = "", summary } of about.commands) {
      lines.push(`  ${`${program} ${name} ${operands}`.trimEnd()}`);
      lines.push(...indented(summary));
    }
    lines.push("");
  }
  lines.push("Options:");
  for (const row of describeOptions(table)) {
    if (row.flag === undefined) continue;
    lines.push(`  ${row.flag}`, ...describeRow(row, `[env: ${row.env}]`));
  }
  lines.push("  -h, --help", "      Show this text");
  lines.push("  -V, --version", "      Show the version");
  const variables = describeOptions(table).filter((row) =>
    row.flag === undefined
  );
  if (variables.length > 0) {
    lines.push("", "Environment only:");
    for (const row of variables) {
      lines.push(`  ${row.env}`, ...describeRow(row, ""));
    }
  }
  return lines.join("\n") + "\n";
}

function describeRow(row: OptionRow, env: string): string[] {
  const parts = [
    row.help,
    row.default === undefined ? "" : `[default: ${row.default}]`,
    env,
  ].filter((part) => part !== "");
  return indented(parts.join(" "));
}

function indented(text: string): string[] {
  return wrap(text, HELP_WIDTH - HELP_INDENT)
    .map((line) => " ".repeat(HELP_INDENT) + line);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  // A bracketed remark stays on one line.
  for (const word of text.match(/\[[^\]]*\]|\S+/g) ?? []) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return line === "" ? lines : [...lines, line];
}

function placeholderOf(option: Option): string {
  if (option.placeholder !== undefined) return option.placeholder;
  switch (option.kind) {
    case "string":
      return "TEXT";
    case "path":
      return "PATH";
    case "header":
      return "NAME";
    case "integer":
      return "N";
    case "boolean":
      return "BOOLEAN";
    case "enum":
      return option.values.join("|");
    case "url":
      return "URL";
    case "address":
      return "ADDRESS";
    case "list":
      return option.of === "address" ? "ADDRESS,…" : "LIST";
    default:
      return option satisfies never;
  }
}

function nameOf(key: string, option: Option): string {
  return option.flag === false ? envName(key, option) : `--${kebab(key)}`;
}

function envName(key: string, option: Option): string {
  return option.env ??
    `GATEWAY_${kebab(key).replaceAll("-", "_").toUpperCase()}`;
}

/** `maxBodyBytes` → `max-body-bytes`. */
function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
