/**
 * One request to a server of the stateless era, up to its response: a POST,
 * answered in JSON or by a stream of events. Ending it cancels it there.
 *
 * | answer | is |
 * |---|---|
 * | 200 in JSON, or a stream, with a response | the response |
 * | another 4xx with a JSON-RPC error | the response, as 404 is with −32601 |
 * | 401, 403, 407, 429, 3xx, 5xx | refused |
 * | another 4xx | not of this era, it seems |
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#sending-messages
 * @module
 */

import { readBody } from "../../../shared/body.ts";
import type { ServerConfig } from "../../../shared/config/model.ts";
import { SecretError } from "../../../shared/config/secrets.ts";
import { GatewayError } from "../../../shared/errors.ts";
import type { Logger } from "../../../shared/log.ts";
import { isEventStream } from "../../../shared/media_type.ts";
import { readEvents } from "../../../shared/sse/read_events.ts";
import type { WrittenRequest } from "../../../shared/stateless/write_request.ts";
import { readServerMessage } from "../../../shared/upstream/server_message.ts";
import { isUnconnected } from "../../../shared/upstream/unconnected.ts";
import { UpstreamError } from "../../../shared/upstream/upstream_error.ts";
import type { ServerAccess } from "../../upstream/backend_request.ts";

/** What requests take. */
export interface UpstreamAccess extends ServerAccess {
  /** Largest answer in JSON, or event of one, bytes. */
  readonly answerBytes: number;
  /** Told of what servers may not send. */
  readonly log: Logger;
}

/** A request to a server. */
export interface UpstreamRequest {
  /** The server. */
  readonly server: ServerConfig;
  /** The client's `Authorization`, for servers that get to see it. */
  readonly authorization: string | undefined;
  /** What is sent. */
  readonly written: WrittenRequest;
  /** Told of each notification, as it comes. */
  readonly onNotification: (method: string, text: string) => void;
}

/** What came back. */
export type UpstreamResponse =
  | {
    readonly kind: "response";
    /** The message, a response or what stands in its place. */
    readonly bytes: Uint8Array;
  }
  /** What no server of this era says. */
  | { readonly kind: "another era"; readonly status: number };

/** Bytes read of an answer that is an error. */
const ERROR_BYTES = 1024 * 1024;
/** Statuses that say something of the way there, whatever their bodies say. */
const REFUSALS: readonly number[] = [401, 403, 407, 429];

const ENCODER = new TextEncoder();

/**
 * Sends a request and waits for its response.
 *
 * @param signal Ends it; then what the signal says is thrown.
 * @throws {GatewayError} Whatever keeps the response from us.
 */
export async function sendUpstream(
  request: UpstreamRequest,
  access: UpstreamAccess,
  signal: AbortSignal,
): Promise<UpstreamResponse> {
  const { name } = request.server;
  const headers = await headersOf(request, access);
  let response: Response;
  try {
    response = await access.fetch(request.server, {
      method: "POST",
      headers,
      body: request.written.body,
      signal,
    });
  } catch (cause) {
    signal.throwIfAborted();
    // Only one that never was connected to has certainly not run it.
    const isUnreached = cause instanceof SecretError || isUnconnected(cause);
    throw new GatewayError({
      kind: isUnreached ? "server unreachable" : "connection lost",
      detail: name,
    }, { cause });
  }
  try {
    return await read(response, request, access);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof GatewayError) throw cause;
    const isLarge = cause instanceof UpstreamError &&
      cause.kind === "too large";
    throw new GatewayError(
      isLarge
        ? { kind: "invalid answer", detail: cause.message }
        : { kind: "connection lost", detail: name },
      { cause },
    );
  } finally {
    // What is left of it nobody waits for.
    if (!response.bodyUsed) await response.body?.cancel().catch(() => {});
  }
}

async function headersOf(
  { server, authorization, written }: UpstreamRequest,
  access: UpstreamAccess,
): Promise<Headers> {
  const headers = new Headers();
  if (server.passthrough && authorization !== undefined) {
    headers.set("authorization", authorization);
  }
  try {
    for (const [name, value] of await access.headers(server)) {
      headers.set(name, value);
    }
  } catch (cause) {
    if (!(cause instanceof SecretError)) throw cause;
    const refusal = {
      kind: "credential missing",
      detail: server.name,
    } as const;
    throw new GatewayError(refusal, { cause });
  }
  headers.set("accept", "application/json, text/event-stream");
  headers.set("content-type", "application/json");
  for (const [name, value] of written.headers) headers.set(name, value);
  return headers;
}

async function read(
  response: Response,
  request: UpstreamRequest,
  access: UpstreamAccess,
): Promise<UpstreamResponse> {
  const { status } = response;
  if (status !== 200) return await readFailure(response, request);
  if (isEventStream(response)) {
    return await readStream(response, request, access);
  }
  const { answerBytes } = access;
  const length = response.headers.get("content-length");
  const bytes = await readBody(response.body, length, answerBytes);
  if (bytes === undefined) {
    throw new GatewayError({
      kind: "invalid answer",
      detail: `it is larger than ${answerBytes} bytes`,
    });
  }
  return { kind: "response", bytes };
}

async function readFailure(
  response: Response,
  { server }: UpstreamRequest,
): Promise<UpstreamResponse> {
  const { status } = response;
  const isClients = status >= 400 && status < 500 && !REFUSALS.includes(status);
  if (!isClients) {
    throw new GatewayError({
      kind: "server refused",
      detail: `${server.name} answered HTTP ${status}`,
    });
  }
  const length = response.headers.get("content-length");
  const bytes = await readBody(response.body, length, ERROR_BYTES);
  return bytes !== undefined && readServerMessage(bytes).kind === "error"
    ? { kind: "response", bytes }
    : { kind: "another era", status };
}

async function readStream(
  { body }: Response,
  { server, onNotification }: UpstreamRequest,
  { answerBytes, log }: UpstreamAccess,
): Promise<UpstreamResponse> {
  const events = readEvents(body ?? new Blob([]).stream(), {
    eventBytes: answerBytes,
  });
  for await (const { event, data } of events) {
    if (event !== "message" || data === "") continue;
    const bytes = ENCODER.encode(data);
    const message = readServerMessage(bytes);
    switch (message.kind) {
      case "result":
      case "error":
        return { kind: "response", bytes };
      case "notification":
        onNotification(message.method, data);
        break;
      case "request":
        // 2026-07-28, transports: servers must not send any.
      case "malformed":
        log.debug("message of a server dropped", {
          server: server.name,
          why: message.kind === "request"
            ? "a request of its own"
            : message.reason,
        });
        break;
      default:
        message satisfies never;
    }
  }
  throw new GatewayError({
    kind: "connection lost",
    detail: `${server.name} ended its answer too soon`,
  });
}
