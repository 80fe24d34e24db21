/**
 * HTTP with one MCP server of the stateless era: each request is complete in
 * itself, mirrored in headers. Reads JSON or event-stream answers within
 * limits and holds them against what every result must be; opens streams of
 * notifications. Knows no method but `subscriptions/listen`.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
 * @module
 */

import { SERVER_JSON } from "../jsonrpc/json_limits.ts";
import { asString, kindOf, members, text } from "../jsonrpc/values.ts";
import type { ClientCapabilities, Implementation } from "../mcp.ts";
import type { StatelessRevision } from "../mcp.ts";
import { newRequest, writeRequest } from "../stateless/write_request.ts";
import {
  drop,
  events,
  type HttpAccess,
  invalid,
  isAnswer,
  type ListenOutcome,
  mediaType,
  readAnswer,
  readError,
  refused,
  type RequestLimits,
  type ResultMessage,
  rpcError,
  send,
  unreachable,
  within,
} from "./http_answers.ts";
import { readServerMessage } from "./server_message.ts";

/** What an exchange needs from outside, and says of itself. */
export interface StatelessExchangeOptions extends HttpAccess {
  /** The revision to begin with. */
  readonly revision: StatelessRevision;
  /** What can be asked of the client. */
  readonly capabilities: ClientCapabilities;
  /** Name and version of the client. */
  readonly clientInfo: Implementation;
  /** Is told of each notification, on whatever stream it comes. */
  readonly onNotification: (method: string) => void;
  /** Largest answer, bytes. */
  readonly maxBytes: number;
}

/** What a client wants to be told of (2026-07-28, subscriptions). */
export interface NotificationFilter {
  /** That the list of tools has changed. */
  readonly toolsListChanged?: true;
  /** That the list of prompts has changed. */
  readonly promptsListChanged?: true;
  /** That the list of resources has changed. */
  readonly resourcesListChanged?: true;
}

/**
 * Statuses that say something of who asks, or how often, and nothing of what
 * is asked.
 */
const NOT_ABOUT_THE_REQUEST: readonly number[] = [401, 403, 407, 408, 425, 429];

const ACKNOWLEDGED = "notifications/subscriptions/acknowledged";
const HEADERS: readonly (readonly [string, string])[] = [
  ["accept", "application/json, text/event-stream"],
  ["content-type", "application/json"],
];
const ENCODER = new TextEncoder();

/** Whether a status may come with a JSON-RPC error that is to be believed. */
export function isAboutTheRequest(status: number): boolean {
  return status >= 400 && status < 500 &&
    !NOT_ABOUT_THE_REQUEST.includes(status);
}

/** Requests to one server. */
export class StatelessExchange {
  /** The revision that requests name. */
  revision: StatelessRevision;
  readonly #options: StatelessExchangeOptions;
  #nextId = 1;

  /** Begins. */
  constructor(options: StatelessExchangeOptions) {
    this.#options = options;
    this.revision = options.revision;
  }

  /**
   * Sends a request and reads its answer, which is a complete one.
   *
   * @param params Raw JSON of an object; none by default.
   * @throws {UpstreamError} Whatever keeps the result from us.
   */
  request(
    method: string,
    params: string | undefined,
    limits: RequestLimits,
  ): Promise<ResultMessage> {
    const id = String(this.#nextId++);
    const maxBytes = limits.maxBytes ?? this.#options.maxBytes;
    return within(limits, async (signal) => {
      const response = await this.#post(id, method, params, signal);
      if (response.status !== 200) await throwStatus(method, response);
      const answer = await readAnswer(response, id, maxBytes, (heard) => {
        // Requests are none of this era's: nobody waits for an answer to one.
        if (heard.kind === "notification") {
          this.#options.onNotification(heard.method);
        }
      });
      if (answer.kind === "error") throw rpcError(method, answer);
      checkComplete(method, answer);
      return answer;
    });
  }

  /**
   * Asks to be told of changes, and listens until the stream ends. There is no
   * limit in time.
   *
   * @param onOpen Called with what the server agreed to, once it has: the names
   * of members of the filter.
   * @throws {UpstreamError} Whatever the stream fails with.
   */
  async listen(
    filter: NotificationFilter,
    signal: AbortSignal,
    onOpen: (agreed: readonly string[]) => void,
  ): Promise<ListenOutcome> {
    const id = String(this.#nextId++);
    const method = "subscriptions/listen";
    const params = JSON.stringify({ notifications: filter });
    try {
      const response = await this.#post(id, method, params, signal);
      if (response.status !== 200) await throwStatus(method, response);
      if (mediaType(response) !== "text/event-stream") {
        const { maxBytes } = this.#options;
        const answer = await readAnswer(response, id, maxBytes, () => {});
        if (answer.kind === "error") throw rpcError(method, answer);
        // Over before it began: nothing will ever be told.
        return { kind: "unsupported" };
      }
      return await this.#hear(response, id, filter, onOpen);
    } catch (cause) {
      throw unreachable(cause, signal);
    }
  }

  async #hear(
    response: Response,
    id: string,
    filter: NotificationFilter,
    onOpen: (agreed: readonly string[]) => void,
  ): Promise<ListenOutcome> {
    let agreed: readonly string[] | undefined;
    const limits = { eventBytes: this.#options.maxBytes };
    for await (const event of events(response, limits)) {
      const bytes = ENCODER.encode(event.data);
      const heard = readServerMessage(bytes);
      if (isAnswer(heard, id)) {
        if (heard.kind === "error") {
          throw rpcError("subscriptions/listen", heard);
        }
        break;
      }
      if (heard.kind !== "notification") continue;
      if (agreed === undefined) {
        if (heard.method !== ACKNOWLEDGED) {
          throw invalid("a subscription begins without an acknowledgement");
        }
        agreed = agreedTo(bytes, filter);
        // Nothing will ever be told: whoever listens may as well ask.
        if (agreed.length === 0) return { kind: "unsupported" };
        onOpen(agreed);
      } else this.#options.onNotification(heard.method);
    }
    return { kind: "ended" };
  }

  #post(
    id: string,
    method: string,
    params: string | undefined,
    signal: AbortSignal,
  ): Promise<Response> {
    const { capabilities, clientInfo } = this.#options;
    const { headers, body } = writeRequest(newRequest(id, method, params), {
      envelope: { revision: this.revision, capabilities, clientInfo },
    });
    return send(this.#options, {
      method: "POST",
      headers: [...HEADERS, ...headers],
      body,
    }, signal);
  }
}

async function throwStatus(
  method: string,
  response: Response,
): Promise<never> {
  const { status } = response;
  if (response.ok) {
    await drop(response);
    throw invalid(`HTTP ${status} to ${method}`);
  }
  const answer = await readError(response);
  throw answer !== undefined && isAboutTheRequest(status)
    ? rpcError(method, answer, status)
    : refused(response, answer);
}

/** Absent is complete; what is unknown is no result (2026-07-28, schema). */
function checkComplete(method: string, { bytes, result }: ResultMessage): void {
  if (kindOf(bytes, result) !== "object") return;
  const type = members(bytes, result, SERVER_JSON).get("resultType");
  if (type === undefined) return;
  if (asString(bytes, type, SERVER_JSON) === "complete") return;
  throw invalid(`${method} has the resultType ${text(bytes, type)}`);
}

/** Which members of the filter an acknowledgement has. */
function agreedTo(
  bytes: Uint8Array,
  filter: NotificationFilter,
): readonly string[] {
  const whole = { start: 0, end: bytes.length };
  const inside = (span: typeof whole | undefined, key: string) =>
    span !== undefined && kindOf(bytes, span) === "object"
      ? members(bytes, span, SERVER_JSON).get(key)
      : undefined;
  const agreed = inside(inside(whole, "params"), "notifications");
  return Object.keys(filter).filter((key) => {
    const value = inside(agreed, key);
    return value !== undefined && text(bytes, value) === "true";
  });
}
