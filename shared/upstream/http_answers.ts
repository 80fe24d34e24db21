/**
 * One HTTP request to an MCP server and its answer, of either era: within its
 * time, its size and JSON-RPC's form; what goes wrong is an `UpstreamError`.
 *
 * @module
 */

import { readBody } from "../body.ts";
import { errorText } from "../error_text.ts";
import {
  type EventStreamLimits,
  readEvents,
  type ServerEvent,
} from "../sse/read_events.ts";
import { readServerMessage, type ServerMessage } from "./server_message.ts";
import { UpstreamError } from "./upstream_error.ts";

/** As much of `fetch` as is used here. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** How a server is reached. */
export interface HttpAccess {
  /** URL of the server. */
  readonly url: string;
  /** Sends requests. Redirects must be left alone (`redirect: "manual"`). */
  readonly fetch: Fetch;
  /** Reads the headers that carry credentials, anew for each request. */
  readonly headers: () => Promise<readonly (readonly [string, string])[]>;
}

/** How one request is made. */
export interface RequestLimits {
  /** Ends the request. */
  readonly signal: AbortSignal;
  /** Milliseconds until the whole answer must be there. */
  readonly timeoutMs: number;
  /** Largest answer, bytes; the exchange's own limit by default. */
  readonly maxBytes?: number;
}

/** A successful answer. */
export type ResultMessage = Extract<ServerMessage, { kind: "result" }>;
/** A failure, as a server says it. */
export type ErrorMessage = Extract<ServerMessage, { kind: "error" }>;

/** How a notification stream ended, or that there is none. */
export type ListenOutcome =
  | { readonly kind: "unsupported" }
  | { readonly kind: "ended"; readonly retryMs?: number };

/** A JSON-RPC error message is shown to people: this much of it at most. */
const SHOWN_LENGTH = 200;
/** Bytes read of an answer that is an error anyway. */
const ERROR_BODY_BYTES = 64 * 1024;

const ENCODER = new TextEncoder();

/** Sends a request with a server's credentials and with these headers. */
export async function send(
  { url, fetch, headers: credentials }: HttpAccess,
  init: {
    readonly method: string;
    readonly headers: Iterable<readonly [string, string]>;
    readonly body?: string | Uint8Array<ArrayBuffer>;
  },
  signal: AbortSignal,
): Promise<Response> {
  const headers = new Headers();
  for (const [name, value] of await readCredentials(credentials)) {
    headers.set(name, value);
  }
  for (const [name, value] of init.headers) headers.set(name, value);
  const { method, body } = init;
  return await fetch(url, {
    method,
    headers,
    signal,
    // A redirect could send credentials, or us, anywhere.
    redirect: "manual",
    ...(body === undefined ? {} : { body }),
  });
}

async function readCredentials(
  headers: HttpAccess["headers"],
): Promise<readonly (readonly [string, string])[]> {
  try {
    return await headers();
  } catch (cause) {
    throw new UpstreamError("unreachable", {
      message: `cannot ask the server: ${shown(errorText(cause))}`,
      cause,
    });
  }
}

/**
 * Reads the answer to a request out of a response that was successful.
 *
 * @param hear Is told of each other message that comes on the way.
 * @throws {UpstreamError} Where there is no such answer.
 */
export async function readAnswer(
  response: Response,
  id: string,
  maxBytes: number,
  hear: (message: ServerMessage) => void,
): Promise<ResultMessage | ErrorMessage> {
  switch (mediaType(response)) {
    case "application/json": {
      const answer = readServerMessage(await readAll(response, maxBytes));
      if (isAnswer(answer, id)) return answer;
      const why = answer.kind === "malformed" ? `: ${answer.reason}` : "";
      throw invalid(`the body is no answer to the request${why}`);
    }
    case "text/event-stream": {
      const limits = { eventBytes: maxBytes, totalBytes: maxBytes };
      for await (const event of events(response, limits)) {
        const heard = readServerMessage(ENCODER.encode(event.data));
        if (isAnswer(heard, id)) return heard;
        hear(heard);
      }
      throw invalid("the stream ended without an answer");
    }
    default:
      await drop(response);
      throw invalid(
        `its content type is ${shown(mediaType(response) || "missing")}`,
      );
  }
}

/** Reads the JSON-RPC error out of a response that is none of success. */
export async function readError(
  response: Response,
): Promise<ErrorMessage | undefined> {
  const answer = await readAll(response, ERROR_BODY_BYTES)
    .then(readServerMessage).catch(() => undefined);
  return answer?.kind === "error" ? answer : undefined;
}

/** Runs one exchange within its time, and says so where it runs out. */
export async function within<T>(
  limits: RequestLimits,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), limits.timeoutMs);
  const signal = AbortSignal.any([limits.signal, deadline.signal]);
  try {
    return await run(signal);
  } catch (cause) {
    if (deadline.signal.aborted && !limits.signal.aborted) {
      throw new UpstreamError("timed out", {
        message: `no answer within ${Math.ceil(limits.timeoutMs)} ms`,
        cause,
      });
    }
    throw unreachable(cause, limits.signal);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a message answers the request of this id. */
export function isAnswer(
  heard: ServerMessage,
  id: string,
): heard is ResultMessage | ErrorMessage {
  // Who cannot read a request cannot name its id either.
  return heard.kind === "result" && heard.id === id ||
    heard.kind === "error" && (heard.id === id || heard.id === "null");
}

/** The media type of a response, "" for none. */
export function mediaType(response: Response): string {
  const type = response.headers.get("content-type") ?? "";
  return type.split(";", 1)[0]!.trim().toLowerCase();
}

/** The events of a response's body. */
export function events(
  response: Response,
  limits: EventStreamLimits,
): AsyncIterable<ServerEvent> {
  return readEvents(response.body ?? new Blob([]).stream(), limits);
}

async function readAll(
  response: Response,
  maxBytes: number,
): Promise<Uint8Array> {
  const declared = response.headers.get("content-length");
  const body = await readBody(response.body, declared, maxBytes);
  if (body !== undefined) return body;
  await drop(response);
  throw new UpstreamError("too large", {
    message: `the answer is larger than ${maxBytes} bytes`,
  });
}

/** Lets a response go whose body nobody needs. */
export async function drop(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {});
}

/** The failure that a response's status is. */
export function refused(
  response: Response,
  answer?: ErrorMessage,
): UpstreamError {
  const { status } = response;
  const why = answer !== undefined
    ? `: ${shown(answer.error.message)} (${answer.error.code})`
    : status >= 300 && status < 400
    ? ": redirects are not followed"
    : status === 401 || status === 403
    ? ": it wants a credential, or another one"
    : "";
  return new UpstreamError("refused", {
    message: `the server answered HTTP ${status}${why}`,
    status,
    ...(answer === undefined ? {} : {
      code: answer.error.code,
      ...(answer.error.data === undefined ? {} : { data: answer.error.data }),
    }),
  });
}

/** The failure that a JSON-RPC error is. */
export function rpcError(
  method: string,
  answer: ErrorMessage,
  status?: number,
): UpstreamError {
  const { code, message, data } = answer.error;
  return new UpstreamError("rpc error", {
    message: `${method} failed: ${shown(message)} (${code})`,
    code,
    ...(status === undefined ? {} : { status }),
    ...(data === undefined ? {} : { data }),
  });
}

/** The failure of an answer that is not MCP. */
export function invalid(why: string): UpstreamError {
  return new UpstreamError("invalid answer", {
    message: `the answer is not MCP: ${why}`,
  });
}

/** Wraps what `fetch` and streams throw; our own errors pass as they are. */
export function unreachable(cause: unknown, signal: AbortSignal): unknown {
  if (cause instanceof UpstreamError) return cause;
  if (signal.aborted) return signal.reason;
  return new UpstreamError("unreachable", {
    message: `cannot reach the server: ${rootMessage(cause)}`,
    cause,
  });
}

function rootMessage(error: unknown): string {
  let root = error;
  while (root instanceof Error && root.cause instanceof Error) {
    root = root.cause;
  }
  return shown(errorText(root));
}

function shown(text: string): string {
  // deno-lint-ignore no-control-regex -- that is what it removes
  const clean = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
  return clean.length > SHOWN_LENGTH
    ? `${clean.slice(0, SHOWN_LENGTH)}…`
    : clean;
}
