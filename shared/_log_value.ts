/**
 * Turns whatever is passed to the log into plain, bounded data without
 * secrets. Pure.
 *
 * Secrets are found twice: by the name of a field (`authorization`,
 * `refreshToken`, `Set-Cookie` …) and by the look of a text (a bearer token, a
 * JWT, credentials or a query in a URL), because errors of others quote URLs
 * and headers in their messages.
 *
 * @module
 */

import { permissionRemedy } from "./permission_remedy.ts";

/** What is left to be written. */
export type PlainValue =
  | string
  | number
  | boolean
  | null
  | readonly PlainValue[]
  | { readonly [name: string]: PlainValue };

/** How values are made plain. */
export interface PlainOptions {
  /** Errors become one text instead of an object. */
  readonly errorsAsText: boolean;
  /** Errors keep their stack frames. */
  readonly stacks: boolean;
  /** Shortens a session id. */
  readonly shorten: (id: string) => string;
}

const REDACTED = "[redacted]";
/** Objects and arrays inside each other. */
const MAX_DEPTH = 6;
/** Members of one object, elements of one array. */
const MAX_MEMBERS = 50;
/** Values in one record. */
const MAX_VALUES = 400;
/** UTF-16 code units of one text, and of a whole record. */
const MAX_TEXT = 2_048;
const MAX_RECORD_TEXT = 16_384;
/** UTF-16 code units of a field's name. */
const MAX_NAME = 128;
/** Errors in a chain of causes, and of an AggregateError. */
const MAX_CAUSES = 6;
const MAX_FRAMES = 20;

/** Makes a value plain. Never throws, whatever getters do. */
export function toPlain(value: unknown, options: PlainOptions): PlainValue {
  const budget: Budget = { values: MAX_VALUES, text: MAX_RECORD_TEXT };
  return convert(value, { options, budget, ancestors: [] });
}

interface Budget {
  values: number;
  text: number;
}

interface Context {
  readonly options: PlainOptions;
  readonly budget: Budget;
  readonly ancestors: readonly object[];
}

function convert(value: unknown, context: Context): PlainValue {
  if (--context.budget.values < 0) return "…";
  try {
    switch (typeof value) {
      case "string":
        return text(value, context.budget);
      case "number":
        return Number.isFinite(value) ? value : String(value);
      case "boolean":
        return value;
      case "undefined":
        return null;
      case "bigint":
        return text(String(value), context.budget);
      case "object":
        return value === null ? null : convertObject(value, context);
      default:
        return `[${typeof value}]`;
    }
  } catch {
    return "[unreadable]";
  }
}

function convertObject(value: object, context: Context): PlainValue {
  if (value instanceof Error) {
    return context.options.errorsAsText
      ? errorText(value, context)
      : errorObject(value, context, 0);
  }
  if (value instanceof Date) {
    return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  }
  if (value instanceof URL) return text(value.href, context.budget);
  if (value instanceof ArrayBuffer) return `[${value.byteLength} bytes]`;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (context.ancestors.includes(value)) return "[circular]";
  if (context.ancestors.length >= MAX_DEPTH) return "[too deep]";

  const inner = { ...context, ancestors: [...context.ancestors, value] };
  if (Array.isArray(value)) return convertArray(value, inner);
  if (value instanceof Set) return convertArray([...value], inner);
  if (value instanceof Headers || value instanceof Map) {
    const entries = [...value].map(([name, member]) =>
      [String(name), () => member] as const
    );
    return convertMembers(entries, inner);
  }
  // Read one by one: a getter that throws spoils its own member only.
  const entries = Object.keys(value).map((name) =>
    [name, () => (value as Record<string, unknown>)[name]] as const
  );
  return convertMembers(entries, inner);
}

function convertArray(
  values: readonly unknown[],
  context: Context,
): PlainValue {
  // ["authorization", "Bearer …"]: a header as a pair.
  if (values.length === 2 && typeof values[0] === "string") {
    const [name, value] = values;
    return [text(name, context.budget), convertMember(name, value, context)];
  }
  const plain = values.slice(0, MAX_MEMBERS)
    .map((value) => convert(value, context));
  if (values.length > MAX_MEMBERS) {
    plain.push(`… ${values.length - MAX_MEMBERS} more`);
  }
  return plain;
}

function convertMembers(
  entries: readonly (readonly [string, () => unknown])[],
  context: Context,
): PlainValue {
  const plain: Record<string, PlainValue> = Object.create(null);
  const described = describedName(entries);
  for (const [name, read] of entries.slice(0, MAX_MEMBERS)) {
    if (context.budget.values <= 0) {
      plain["…"] = `${entries.length} members`;
      break;
    }
    let value: unknown;
    try {
      value = read();
    } catch {
      value = "[unreadable]";
    }
    if (value === undefined) continue;
    const label = name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name;
    // { name: "authorization", value: "Bearer …" }: a header as an object.
    const meaning = described !== undefined && /value$/i.test(name)
      ? described
      : name;
    plain[label] = convertMember(meaning, value, context);
  }
  if (entries.length > MAX_MEMBERS) {
    plain["…"] = `${entries.length - MAX_MEMBERS} more`;
  }
  return plain;
}

function describedName(
  entries: readonly (readonly [string, () => unknown])[],
): string | undefined {
  const entry = entries.find(([name]) => name === "name" || name === "key");
  try {
    const name = entry?.[1]();
    return typeof name === "string" ? name : undefined;
  } catch {
    return undefined;
  }
}

function convertMember(
  name: string,
  value: unknown,
  context: Context,
): PlainValue {
  switch (meaningOf(name)) {
    case "secret":
      // Whether there is one is worth knowing and gives nothing away.
      return value === null || typeof value === "boolean" ? value : REDACTED;
    case "session":
      return typeof value === "string"
        ? context.options.shorten(value)
        : convert(value, context);
    default:
      return convert(value, context);
  }
}

const SECRET_PARTS: readonly string[] = [
  "authorization",
  "cookie",
  "token",
  "credential",
  "secret",
  "password",
  "passwd",
  "apikey",
  "privatekey",
  "signingkey",
  "bearer",
];
/** Whole names: as parts they would hide harmless fields. */
const SECRET_NAMES: readonly string[] = ["body", "arguments", "query"];

function meaningOf(name: string): "secret" | "session" | "other" {
  const folded = name.slice(0, MAX_NAME).toLowerCase()
    .replace(/[^a-z0-9]/g, "");
  // Names of files and numbers of things: `tokenFile`, `tokensLeft`, `secretsDir`.
  if (/(file|dir|path|bytes|count|seconds|ms)$/.test(folded)) return "other";
  if (
    SECRET_NAMES.includes(folded) ||
    SECRET_PARTS.some((part) => folded.includes(part))
  ) return "secret";
  if (/session(id)?$/.test(folded) || folded === "jti") return "session";
  return "other";
}

function errorObject(
  error: Error,
  context: Context,
  position: number,
): PlainValue {
  const plain: Record<string, PlainValue> = Object.create(null);
  plain.name = text(String(error.name), context.budget);
  plain.message = text(
    permissionRemedy(String(error.message)),
    context.budget,
  );
  const code = errorCode(error);
  if (code !== undefined) plain.code = code;
  if (context.options.stacks) {
    plain.stack = stackFrames(error).map((frame) =>
      text(frame, context.budget)
    );
  }
  if (position >= MAX_CAUSES) return plain;
  if (error instanceof AggregateError) {
    plain.errors = error.errors.slice(0, MAX_CAUSES)
      .map((each: unknown) => convertCause(each, context, position + 1));
  }
  if (error.cause !== undefined) {
    plain.cause = convertCause(error.cause, context, position + 1);
  }
  return plain;
}

function convertCause(
  cause: unknown,
  context: Context,
  position: number,
): PlainValue {
  return cause instanceof Error
    ? errorObject(cause, context, position)
    : convert(cause, context);
}

function errorText(error: Error, context: Context): string {
  const parts: string[] = [];
  let current: unknown = error;
  while (current !== undefined && parts.length < MAX_CAUSES) {
    if (!(current instanceof Error)) {
      const plain = convert(current, context);
      parts.push(typeof plain === "string" ? plain : JSON.stringify(plain));
      break;
    }
    const frames = context.options.stacks
      ? stackFrames(current).map((frame) => ` <${frame}>`).join("")
      : "";
    parts.push(
      `${current.name}: ${permissionRemedy(current.message)}${frames}`,
    );
    if (current instanceof AggregateError) {
      parts.push(
        ...current.errors.slice(0, MAX_CAUSES).map((each: unknown) =>
          each instanceof Error ? `${each.name}: ${each.message}` : "other"
        ),
      );
    }
    current = current.cause;
  }
  return text(parts.join(" ← "), context.budget);
}

function errorCode(error: Error): string | number | undefined {
  if (!("code" in error)) return undefined;
  const { code } = error;
  if (typeof code === "number") return code;
  return typeof code === "string" ? scrub(code.slice(0, MAX_NAME)) : undefined;
}

/** The frames alone: the first lines of a stack repeat the message. */
function stackFrames(error: Error): string[] {
  return String(error.stack ?? "").split("\n")
    .filter((line) => /^\s+at /.test(line))
    .slice(0, MAX_FRAMES)
    .map((line) => line.trim());
}

function text(value: string, budget: Budget): string {
  // Cut well above the limit first, so that scrubbing costs little, and sees
  // the whole of a secret that begins before the limit.
  const clean = scrub(value.slice(0, 4 * MAX_TEXT));
  const room = Math.max(0, Math.min(MAX_TEXT, budget.text));
  const kept = clean.length > room || value.length > 4 * MAX_TEXT
    ? `${clean.slice(0, room)}… (${value.length} characters)`
    : clean;
  budget.text -= kept.length;
  return kept;
}

/** Hides what looks like a secret. Every pattern takes linear time. */
export function scrub(value: string): string {
  return value
    .replace(/\b(bearer|basic)(\s+)[\w.~+/=-]{6,}/gi, `$1$2${REDACTED}`)
    .replace(/\beyJ[\w-]{8,}(?:\.[\w-]*){0,4}/g, REDACTED)
    .replace(/\b([a-z]{2,8}:\/\/)[^\s/?#@"']{1,512}@/gi, `$1${REDACTED}@`)
    .replace(
      /((?:\b[a-z]{2,8}:\/\/|(?:^|(?<=[\s("'=]))\/)[^\s?#"'()]{0,2048}\?)[^\s#"'()]+/gi,
      `$1${REDACTED}`,
    );
}

/**
 * Writes characters that would move a cursor, end a line or turn the writing
 * direction as `\uXXXX`, the way JSON does, so that a record stays one line
 * and reads as it was meant.
 */
export function escapeControls(value: string): string {
  return value.replace(
    // deno-lint-ignore no-control-regex -- finding them is the purpose
    /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g,
    (character) =>
      `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
