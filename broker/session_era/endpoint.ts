/**
 * The MCP server that clients of the session era talk to (2025-11-25,
 * 2025-06-18, 2025-03-26): POST, GET and DELETE of streamable HTTP. Puts the
 * pure parts beside it together with sessions and streams.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
 * @module
 */

import {
  GatewayError,
  type Refusal,
  refusalResponse,
} from "../../shared/errors.ts";
import { LAST_EVENT_HEADER, SESSION_HEADER } from "../../shared/headers.ts";
import type {
  Batch,
  Message,
  NotificationMessage,
  RequestMessage,
  ResponseMessage,
} from "../../shared/jsonrpc/message.ts";
import { scan } from "../../shared/jsonrpc/scanner.ts";
import { LIMITS } from "../../shared/limits.ts";
import type { Logger } from "../../shared/log.ts";
import { DEFAULT_SESSION_REVISION } from "../../shared/mcp.ts";
import type {
  ClientSession,
  OpenBackend,
  Sessions,
} from "../../shared/sessions/sessions.ts";
import { readBody } from "../../shared/body.ts";
import { answerBatch } from "../batches/answer_batch.ts";
import { type BatchGateway, callThrough } from "../batches/gateway_calls.ts";
import type { BatchHead } from "../batches/gateway_request.ts";
import type { RequestCaller } from "../caller.ts";
import type { CurrentCatalog } from "../catalog/current_catalog.ts";
import { type View, WHOLE_CATALOG } from "../catalog/views.ts";
import type { HeldStreams } from "../held_streams/held_streams.ts";
import type { Hub } from "../notifications/hub.ts";
import { LOG_LEVELS, readLogLevel } from "../relay/log_level.ts";
import type { Relay, Relayed } from "../relay/relay.ts";
import { routeMessage } from "../relay/route_message.ts";
import { type Answer, writeAnswer, writeBatch } from "./answer.ts";
import { isRouted, refuseInBatch } from "./batch.ts";
import { checkGet, checkPost, checkRevision } from "./head.ts";
import { readInitialize, writeInitializeResult } from "./initialize.ts";
import type { ListAnswers, ListClient } from "./list_answers.ts";
import { answerRequest } from "./requests.ts";

/** What the endpoint works with. */
export interface SessionEraOptions {
  /** Client sessions. */
  readonly sessions: Sessions;
  /** The catalog in force. */
  readonly catalog: CurrentCatalog;
  /** Answers list methods. */
  readonly lists: ListAnswers;
  /** Open streams. */
  readonly hub: Hub;
  /** Holds the streams of servers, for clients that listen. */
  readonly held: Pick<HeldStreams, "hold">;
  /** Carries clients' messages to servers. */
  readonly relay: Pick<Relay, "send" | "sendTo" | "ask">;
  /** Takes the calls in a batch; without it they are refused. */
  readonly gateway?: BatchGateway | undefined;
  /** Whether a server declared that it has log messages. */
  readonly logs: (server: string) => boolean;
  /** Largest body, bytes. */
  readonly maxBodyBytes: number;
  /** The gateway's version. */
  readonly version: string;
  /** Told of what goes on. */
  readonly log: Logger;
  /**
   * Ends sessions with servers, in the background.
   *
   * @param authorization The `authorization` header of the client that ended
   * its session, for servers that get to see it.
   */
  readonly endBackends: (
    backends: readonly OpenBackend[],
    authorization: string | undefined,
  ) => void;
  /** Told of a session that its client has ended. */
  readonly onEnded?: (session: string) => void;
}

const EMPTY_RESULT = new TextEncoder().encode("{}");

/** Serves one request of a known caller. */
export type SessionEraEndpoint = (
  request: Request,
  caller: RequestCaller,
) => Promise<Response>;

/** Makes the endpoint. */
export function sessionEraEndpoint(
  options: SessionEraOptions,
): SessionEraEndpoint {
  const endpoint = new Endpoint(options);
  return (request, caller) => {
    switch (request.method) {
      case "POST":
        return endpoint.post(request, caller);
      case "GET":
        return endpoint.get(request, caller);
      case "DELETE":
        return endpoint.delete(request, caller);
      default:
        return Promise.resolve(refuse({ kind: "method not allowed" }));
    }
  };
}

/** A refusal that ends the handling of a request, on its way to the answer. */
type Found<T> =
  | { readonly kind: "found"; readonly value: T }
  | { readonly kind: "refused"; readonly refusal: Refusal };

class Endpoint {
  readonly #options: SessionEraOptions;

  constructor(options: SessionEraOptions) {
    this.#options = options;
  }

  async post(request: Request, caller: RequestCaller): Promise<Response> {
    const { maxBodyBytes } = this.#options;
    const wrong = checkPost(request.headers);
    if (wrong !== undefined) return await refuseUnread(request, wrong);
    const body = await readBody(
      request.body,
      request.headers.get("content-length"),
      maxBodyBytes,
    );
    if (body === undefined) {
      return await refuseUnread(request, {
        kind: "body too large",
        detail: `at most ${maxBodyBytes} bytes`,
      });
    }
    const scanned = scan(body);
    if (scanned.kind === "malformed") {
      const { refusal, reason, offset, id } = scanned;
      return refuse(
        { kind: refusal, detail: `${reason} at byte ${offset}` },
        id,
      );
    }
    const id = scanned.kind === "request" ? scanned.id : null;
    return await answering(
      id,
      () =>
        scanned.kind === "request" && scanned.method === "initialize"
          ? this.#initialize(body, scanned, caller)
          : this.#inSession(body, scanned, request, caller, id),
    );
  }

  async #initialize(
    body: Uint8Array,
    message: RequestMessage,
    caller: RequestCaller,
  ): Promise<Response> {
    const { sessions, version, log } = this.#options;
    const view = this.#view(caller);
    if (view.kind === "refused") return refuse(view.refusal, message.id);
    const read = readInitialize(body, message);
    if (read.kind === "refused") return refuse(read.refusal, message.id);
    const { identity, route } = caller;
    const opening = await sessions.open({ identity, route, ...read.handshake });
    if (opening.kind === "refused") return refuse(opening.refusal, message.id);
    log.info("session opened", {
      session: opening.claims.id,
      route,
      revision: read.handshake.revision,
      client: read.handshake.clientInfo?.name,
    });
    const result = writeInitializeResult(
      read.handshake.revision,
      version,
      view.value.instructions,
    );
    const answer = writeAnswer(message.id, {
      kind: "result",
      result: new TextEncoder().encode(result),
    });
    return json(answer, { [SESSION_HEADER]: opening.token });
  }

  async #inSession(
    body: Uint8Array,
    scanned: Message | Batch,
    request: Request,
    caller: RequestCaller,
    id: string | null,
  ): Promise<Response> {
    const wrong = checkRevision(request.headers);
    if (wrong !== undefined) return refuse(wrong, id);
    const session = await this.#session(request, caller);
    if (session.kind === "refused") return refuse(session.refusal, id);
    const view = this.#view(caller);
    if (view.kind === "refused") return refuse(view.refusal, id);
    const client = clientOf(request, session.value, view.value);
    const sender = senderOf(request, session.value);
    if (scanned.kind === "batch") {
      const { headers, url } = request;
      return this.#batch(body, scanned, client, sender, {
        headers,
        url,
        caller,
      });
    }
    if (scanned.kind !== "request") {
      this.#tell(body, scanned, sender);
      return accepted();
    }
    const answer = await this.#answer(body, scanned, client, sender);
    return answer.kind === "refused"
      ? refuse(answer.refusal, scanned.id)
      : json(writeAnswer(scanned.id, answer));
  }

  /** Batches: 2025-03-26 must accept them, later revisions have none. */
  async #batch(
    body: Uint8Array,
    batch: Batch,
    client: ListClient,
    sender: Sender,
    head: BatchHead,
  ): Promise<Response> {
    const { gateway } = this.#options;
    const { session } = sender;
    if (session.revision !== DEFAULT_SESSION_REVISION) {
      return refuse({
        kind: "invalid request",
        detail: `revision ${session.revision} has no batches`,
      });
    }
    if (batch.messages.length > LIMITS.batchMessages) {
      return refuse({
        kind: "invalid request",
        detail: `a batch has at most ${LIMITS.batchMessages} messages`,
      });
    }
    const requests = batch.messages.filter((one) => one.kind === "request");
    if (requests.some(({ method }) => method === "initialize")) {
      return refuse({
        kind: "invalid request",
        detail: "initialize must stand alone",
      });
    }
    for (const one of batch.messages) {
      if (one.kind !== "request") this.#tell(body, one, sender);
    }
    if (requests.length === 0) return accepted();
    const calls = gateway === undefined ? [] : requests.filter(isRouted);
    if (gateway !== undefined && calls.length > 0) {
      return eventStream(answerBatch({
        own: requests.filter((one) => !isRouted(one)).map((one) => ({
          id: one.id,
          respond: async () =>
            writeAnswer(
              one.id,
              await this.#answer(body, one, client, sender),
            ),
        })),
        calls: calls.map(({ id, span }) =>
          callThrough(gateway, head, id, body.subarray(span.start, span.end))
        ),
      }, gateway.settings));
    }
    return json(writeBatch(
      await Promise.all(
        requests.map(async (one) => {
          const answer = refuseInBatch(one) ??
            await this.#answer(body, one, client, sender);
          return writeAnswer(one.id, answer);
        }),
      ),
    ));
  }

  async #answer(
    body: Uint8Array,
    request: RequestMessage,
    client: ListClient,
    sender: Sender,
  ): Promise<Answer> {
    return request.method === "logging/setLevel"
      ? await this.#setLogLevel(body, request, sender)
      : await answerRequest(body, request, client, this.#options.lists);
  }

  /** Of each server that has log messages, now and when it is next opened. */
  async #setLogLevel(
    body: Uint8Array,
    request: RequestMessage,
    sender: Sender,
  ): Promise<Answer> {
    const { sessions, relay, logs } = this.#options;
    const level = readLogLevel(body, request);
    if (level === undefined) {
      const detail = `params.level is none of ${LOG_LEVELS.join(", ")}`;
      return { kind: "refused", refusal: { kind: "invalid params", detail } };
    }
    await sessions.setLogLevel(sender.session, level);
    const { start, end } = request.span;
    await relay.ask({
      ...sender,
      bytes: body.subarray(start, end),
      to: ({ server }) => logs(server.name),
    });
    return { kind: "result", result: EMPTY_RESULT };
  }

  /** Passes a notification or a response on to whom it concerns. */
  #tell(
    body: Uint8Array,
    message: NotificationMessage | ResponseMessage,
    sender: Sender,
  ): void {
    const { relay, log } = this.#options;
    const { session } = sender;
    const route = routeMessage(body, message, session.capabilities);
    switch (route.kind) {
      case "nobody":
        log.debug("message of a client kept", {
          session: session.id,
          kind: message.kind,
          why: route.why,
        });
        break;
      case "all":
        relay.send({ ...sender, bytes: route.bytes, urgent: route.urgent });
        break;
      case "one":
        relay.sendTo(route.target, { ...sender, bytes: route.bytes });
        break;
      default:
        route satisfies never;
    }
  }

  get(request: Request, caller: RequestCaller): Promise<Response> {
    return answering(null, async () => {
      const { hub, sessions, held } = this.#options;
      const wrong = checkGet(request.headers);
      if (wrong !== undefined) return refuse(wrong);
      const session = await this.#session(request, caller);
      if (session.kind === "refused") return refuse(session.refusal);
      const view = this.#view(caller);
      if (view.kind === "refused") return refuse(view.refusal);
      const token = request.headers.get(SESSION_HEADER) ?? undefined;
      const stream = hub.open({
        id: session.value.id,
        revision: session.value.revision,
        view: view.value.key,
        isLive: async () =>
          (await sessions.verify(token, caller)).kind === "live",
      }, request.headers.get(LAST_EVENT_HEADER) ?? undefined);
      if (stream === undefined) return refuse({ kind: "too many streams" });
      const { body } = stream;
      await held.hold(session.value, authorizationOf(request));
      return eventStream(body);
    });
  }

  delete(request: Request, caller: RequestCaller): Promise<Response> {
    return answering(null, async () => {
      const { hub, sessions, endBackends, log } = this.#options;
      const wrong = checkRevision(request.headers);
      if (wrong !== undefined) return refuse(wrong);
      const session = await this.#session(request, caller);
      if (session.kind === "refused") return refuse(session.refusal);
      const backends = await sessions.end(session.value);
      hub.endSession(session.value.id);
      this.#options.onEnded?.(session.value.id);
      log.info("session closed", {
        session: session.value.id,
        backends: backends.length,
      });
      endBackends(backends, authorizationOf(request));
      return new Response(null, { status: 204 });
    });
  }

  async #session(
    request: Request,
    caller: RequestCaller,
  ): Promise<Found<ClientSession>> {
    const token = request.headers.get(SESSION_HEADER) ?? undefined;
    const verified = await this.#options.sessions.verify(token, caller);
    return verified.kind === "refused"
      ? verified
      : { kind: "found", value: verified.session };
  }

  #view(caller: RequestCaller): Found<View> {
    const { state } = this.#options.catalog;
    if (state === undefined) {
      return { kind: "refused", refusal: { kind: "not configured" } };
    }
    const view = state.views.get(caller.virtualServer ?? WHOLE_CATALOG);
    return view === undefined || caller.virtualServer === WHOLE_CATALOG
      ? { kind: "refused", refusal: { kind: "unknown virtual server" } }
      : { kind: "found", value: view };
  }
}

function eventStream(body: ReadableStream<Uint8Array<ArrayBuffer>>): Response {
  return new Response(body, {
    headers: {
      "content-type": "text/event-stream",
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
    },
  });
}

/** Who sends: a session, and the credential that it came with. */
type Sender = Pick<Relayed, "session" | "authorization">;

function senderOf(request: Request, session: ClientSession): Sender {
  return { session, authorization: authorizationOf(request) };
}

function authorizationOf(request: Request): string | undefined {
  return request.headers.get("authorization") ?? undefined;
}

/** Who lists: a session, what it sees, and the credential that it came with. */
function clientOf(
  request: Request,
  { id }: ClientSession,
  view: View,
): ListClient {
  const authorization = authorizationOf(request);
  return {
    session: id,
    view,
    ...(authorization === undefined ? {} : { authorization }),
  };
}

/** Runs a handler; what it throws as a refusal becomes one. */
async function answering(
  id: string | null,
  handle: () => Promise<Response> | Response,
): Promise<Response> {
  try {
    return await handle();
  } catch (error) {
    if (error instanceof GatewayError) return refuse(error.refusal, id);
    throw error;
  }
}

function refuse(refusal: Refusal, id: string | null = null): Response {
  return refusalResponse(refusal, id);
}

/** Refuses without reading the body, which is let go. */
async function refuseUnread(
  request: Request,
  refusal: Refusal,
): Promise<Response> {
  await request.body?.cancel().catch(() => {});
  return refuse(refusal);
}

function accepted(): Response {
  return new Response(null, { status: 202 });
}

function json(
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Response {
  return new Response(body as Uint8Array<ArrayBuffer>, {
    headers: { "content-type": "application/json", ...headers },
  });
}
