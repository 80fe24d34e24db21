/**
 * What an API server refuses, by what can be done about it.
 *
 * | kind | answer | what helps |
 * |---|---|---|
 * | `absent` | 404 | nothing: the object, or its kind, is not there |
 * | `conflict` | 409 | reading again what is there, then deciding anew |
 * | `exists` | 409 `AlreadyExists` | the same |
 * | `gone` | 410, also in a watch; 504 for a version of the future | a new list |
 * | `tooLarge` | 413, 422 for 1 MiB of data, etcd's limit | less content |
 * | `forbidden` | 401, 403 | an administrator |
 * | `invalid` | 400, 422 | another content |
 * | `busy` | 429, 5xx | time |
 * | `unreachable` | none | time |
 * | `other` | anything else | - |
 *
 * @module
 */
import { errorText } from "../error_text.ts";

/** What can be done about a refusal. */
export type KubeErrorKind =
  | "absent"
  | "conflict"
  | "exists"
  | "gone"
  | "tooLarge"
  | "forbidden"
  | "invalid"
  | "busy"
  | "unreachable"
  | "other";

/** A refusal as the API server writes it (`kind: Status`). */
export interface KubeStatus {
  /** HTTP status; 0 where there was no answer. */
  readonly code: number;
  /** The server's word for it: `Conflict`, `Expired`, … */
  readonly reason: string;
  /** The server's sentence. */
  readonly message: string;
  /** What it says of single fields. */
  readonly causes: readonly {
    readonly reason: string;
    readonly message: string;
  }[];
  /** When to come again, milliseconds. */
  readonly retryAfterMs?: number;
}

/** A request to an API server that did not succeed. */
export class KubeError extends Error {
  /** What can be done about it. */
  readonly kind: KubeErrorKind;
  /** HTTP status; 0 where there was no answer. */
  readonly code: number;
  /** The server's word for it. */
  readonly reason: string;
  /** When to come again, milliseconds, where the server says so. */
  readonly retryAfterMs: number | undefined;

  /**
   * Builds an error.
   *
   * @param action What was tried: `list httproutes`.
   * @param status What the server said.
   * @param options `cause` is what went wrong underneath.
   */
  constructor(action: string, status: KubeStatus, options?: ErrorOptions) {
    const { code, reason, message } = status;
    const what = [code === 0 ? "" : String(code), reason].join(" ").trim();
    super(
      `Cannot ${action}: ${[what, message].filter((part) => part).join(": ")}`,
      options,
    );
    this.name = "KubeError";
    this.kind = kindOf(status);
    this.code = code;
    this.reason = reason;
    this.retryAfterMs = status.retryAfterMs;
  }

  /** No answer came. */
  static unreachable(action: string, cause: unknown): KubeError {
    const message = errorText(cause);
    return new KubeError(
      action,
      { code: 0, reason: "Unreachable", message, causes: [] },
      { cause },
    );
  }
}

/** Whether something thrown is a refusal of one of these kinds. */
export function isKubeError(
  error: unknown,
  ...kinds: readonly KubeErrorKind[]
): error is KubeError {
  return error instanceof KubeError &&
    (kinds.length === 0 || kinds.includes(error.kind));
}

/** Reads a refusal from an answer's body; never throws. */
export function parseStatus(
  code: number,
  text: string,
  retryAfter?: string | null,
): KubeStatus {
  const seconds = Number(retryAfter ?? NaN);
  const wait = Number.isFinite(seconds) && seconds >= 0
    ? { retryAfterMs: seconds * 1000 }
    : {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // `404 page not found` of an API group that nobody serves.
    const message = text.trim().slice(0, MAX_MESSAGE);
    return { code, reason: "", message, causes: [], ...wait };
  }
  return { ...readStatus(value), code, ...wait };
}

/** Reads a `Status` object, such as a watch may hold. */
export function readStatus(value: unknown): KubeStatus {
  const { code, reason, message, details } = record(value);
  const { causes } = record(details);
  return {
    code: typeof code === "number" ? code : 500,
    reason: text(reason),
    message: text(message),
    causes: (Array.isArray(causes) ? causes : []).map((cause) => ({
      reason: text(record(cause).reason),
      message: text(record(cause).message),
    })),
  };
}

/** A message may hold a whole object. */
const MAX_MESSAGE = 1_000;

function kindOf({ code, reason, message, causes }: KubeStatus): KubeErrorKind {
  if (isTooLarge(code, message, causes)) return "tooLarge";
  switch (code) {
    case 0:
      return "unreachable";
    case 400:
    case 422:
      return "invalid";
    case 401:
    case 403:
      return "forbidden";
    case 404:
      return "absent";
    case 409:
      return reason === "AlreadyExists" ? "exists" : "conflict";
    case 410:
      return "gone";
    case 429:
      return "busy";
    case 504:
      // etcd was restored from a backup: our version has yet to come.
      return causes.some(({ reason }) => reason === "ResourceVersionTooLarge")
        ? "gone"
        : "busy";
    default:
      return code >= 500 ? "busy" : "other";
  }
}

/** Three limits, each said in another way: request, object, etcd. */
function isTooLarge(
  code: number,
  message: string,
  causes: KubeStatus["causes"],
): boolean {
  if (code === 413) return true;
  if (code === 422) {
    return causes.some(({ reason, message }) =>
      reason === "FieldValueTooLong" && message.includes("1048576")
    );
  }
  return code >= 500 &&
    /request is too large|message larger than max/.test(message);
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null
    ? value as Record<string, unknown>
    : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value.slice(0, MAX_MESSAGE) : "";
}
