/**
 * The MCP server that clients of the session era talk to (2025-11-25,
 * 2025-06-18, 2025-03-26): POST, GET and DELETE of streamable HTTP. Puts the
 * pure parts beside it together with sessions and streams.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
 * @module
 */

import { arrayParts } from "../../shared/bytes.ts";
import { type Refusal, refusalResponse } from "../../shared/errors.ts";
import { LAST_EVENT_HEADER, SESSION_HEADER } from "../../shared/headers.ts";
import type {
  Batch,
  NotificationMessage,
  RequestMessage,
  ResponseMessage,
} from "../../shared/jsonrpc/message.ts";
import { LIMITS } from "../../shared/limits.ts";
import type { Logger } from "../../shared/log.ts";
import { DEFAULT_SESSION_REVISION } from "../../shared/mcp.ts";
import type {
  ClientSession,
  OpenBackend,
  Sessions,
} from "../../shared/sessions/sessions.ts";
import { type Answer, answerParts, writeAnswer } from "../answer.ts";
import { answerBatch } from "../batches/answer_batch.ts";
import { type BatchGateway, callThrough } from "../batches/gateway_calls.ts";
import type { BatchHead } from "../batches/gateway_request.ts";
import type { RequestCaller } from "../caller.ts";
import type { CurrentCatalog } from "../catalog/current_catalog.ts";
import {
  changeNotification,
  kindListedBy,
  KINDS,
  LIST_CAPABILITIES,
  type ListCapability,
} from "../catalog/kinds.ts";
import { type View, WHOLE_CATALOG } from "../catalog/views.ts";
import { ClientPresence } from "../client_presence.ts";
import type { ToStateless } from "../era_bridge/bridged_call.ts";
import type { ClientMessage } from "../era_bridge/to_stateless/to_stateless.ts";
import type { HeldStreams } from "../held_streams/held_streams.ts";
import type { Hub } from "../notifications/hub.ts";
import { LOG_LEVELS, readLogLevel } from "../relay/log_level.ts";
import type { Relay, Relayed } from "../relay/relay.ts";
import { routeMessage } from "../relay/route_message.ts";
import type { Post } from "../post.ts";
import { misrouted, unbridged } from "../resolve_call.ts";
import { resolveForClient } from "../resolve_for_client.ts";
import {
  acceptedResponse,
  answering,
  eventStreamResponse,
  jsonResponse,
} from "../responses.ts";
import { isRouted, refuseInBatch } from "./batch.ts";
import { checkGet, checkRevision } from "./head.ts";
import { readInitialize, writeInitializeResult } from "./initialize.ts";
import type {
  ListAnswers,
  ListClient,
  OwnItems,
} from "../lists/list_answers.ts";
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
  readonly held: Pick<HeldStreams, "hold" | "retell">;
  /** Carries clients' messages to servers. */
  readonly relay: Pick<Relay, "send" | "sendTo" | "ask">;
  /** Takes the calls in a batch; without it they are refused. */
  readonly gateway?: BatchGateway | undefined;
  /** Whether a server declared that it has log messages. */
  readonly logs: (server: string) => boolean;
  /** Carries calls to servers of the stateless era; refused without it. */
  readonly toStateless?: ToStateless | undefined;
  /**
   * Takes what concerns a call that is translated: its response to the client's
   * message, or undefined where that is for others.
   */
  readonly hear?:
    | ((message: ClientMessage) => Promise<Response | undefined>)
    | undefined;
  /** Finds what only one client sees; nothing unless given. */
  readonly ownItems?: OwnItems | undefined;
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
  /** Told of a list that a session is given. */
  readonly onListed?: (
    session: ClientSession,
    view: string,
    capability: ListCapability,
  ) => void;
  /** Told of a session that its client has ended. */
  readonly onEnded?: (session: string) => void;
}

const EMPTY_RESULT = new TextEncoder().encode("{}");

/** Serves requests of known callers. */
export interface SessionEraEndpoint {
  /** Serves a POST. */
  readonly post: (post: Post) => Promise<Response>;
  /** Serves a GET. */
  readonly get: (request: Request, caller: RequestCaller) => Promise<Response>;
  /** Serves a DELETE. */
  readonly delete: (
    request: Request,
    caller: RequestCaller,
  ) => Promise<Response>;
}

/** Makes the endpoint. */
export function sessionEraEndpoint(
  options: SessionEraOptions,
): SessionEraEndpoint {
  return new Endpoint(options);
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

  post(post: Post): Promise<Response> {
    const { body, message, caller } = post;
    const id = message.kind === "request" ? message.id : null;
    return answering(
      id,
      "session",
      () =>
        message.kind === "request" && message.method === "initialize"
          ? this.#initialize(body, message, caller)
          : this.#inSession(post, id),
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
    const answer = answerParts(message.id, {
      kind: "result",
      result: new TextEncoder().encode(result),
    });
    return jsonResponse(answer, { [SESSION_HEADER]: opening.token });
  }

  async #inSession(post: Post, id: string | null): Promise<Response> {
    const { request, body, message, caller } = post;
    const wrong = checkRevision(request.headers);
    if (wrong !== undefined) return refuse(wrong, id);
    const session = await this.#session(request, caller);
    if (session.kind === "refused") return refuse(session.refusal, id);
    const view = this.#view(caller);
    if (view.kind === "refused") return refuse(view.refusal, id);
    const client = clientOf(request, session.value, view.value);
    const sender = senderOf(request, session.value);
    if (message.kind === "batch") {
      return await this.#batch(post, message, client, sender);
    }
    if (message.kind !== "request") {
      return await this.#tell(post, message, sender);
    }
    if (isRouted(message)) {
      return await this.#call(post, message, client, session.value);
    }
    const answer = await this.#answer(body, message, client, sender);
    return answer.kind === "refused"
      ? refuse(answer.refusal, message.id)
      : jsonResponse(answerParts(message.id, answer));
  }

  /** A call that is a server's to answer is here to be translated, or lost. */
  async #call(
    { request, body, caller }: Post,
    message: RequestMessage,
    client: ListClient,
    session: ClientSession,
  ): Promise<Response> {
    const { catalog, toStateless, ownItems } = this.#options;
    const table = catalog.routes;
    if (table === undefined) {
      return refuse({ kind: "not configured" }, message.id);
    }
    const resolution = await resolveForClient(
      body,
      message,
      table,
      client,
      ownItems,
    );
    if (resolution.kind === "refused") {
      return refuse(resolution.refusal, message.id);
    }
    const { call } = resolution;
    if (call.era !== "stateless") return refuse(misrouted(call), message.id);
    if (toStateless === undefined) return refuse(unbridged(call), message.id);
    const presence = new ClientPresence(request.signal);
    return presence.pass(
      await toStateless({
        ...call,
        request: message,
        body,
        caller,
        authorization: client.authorization,
        session,
        signal: presence.signal,
      }),
    );
  }

  /** Batches: 2025-03-26 must accept them, later revisions have none. */
  async #batch(
    post: Post,
    batch: Batch,
    client: ListClient,
    sender: Sender,
  ): Promise<Response> {
    const { gateway } = this.#options;
    const { body, caller, request: { headers, url } } = post;
    const head: BatchHead = { headers, url, caller };
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
      if (one.kind === "request") continue;
      await (await this.#tell(post, one, sender)).body?.cancel();
    }
    if (requests.length === 0) return acceptedResponse();
    const calls = gateway === undefined ? [] : requests.filter(isRouted);
    if (gateway !== undefined && calls.length > 0) {
      return eventStreamResponse(answerBatch({
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
    return jsonResponse(arrayParts(
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
    if (request.method === "logging/setLevel") {
      return await this.#setLogLevel(body, request, sender);
    }
    const kind = kindListedBy(request.method);
    if (kind !== undefined) {
      const { capability } = KINDS[kind];
      // Before it is put together: what changes meanwhile is news.
      this.#options.onListed?.(sender.session, client.view.key, capability);
    }
    return await answerRequest(body, request, client, this.#options.lists);
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
  async #tell(
    { request: { headers }, body, caller }: Post,
    message: NotificationMessage | ResponseMessage,
    sender: Sender,
  ): Promise<Response> {
    const { relay, hear, log } = this.#options;
    const { session } = sender;
    const heard = await hear?.({ body, message, headers, caller, session });
    if (heard !== undefined) return heard;
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
    return acceptedResponse();
  }

  get(request: Request, caller: RequestCaller): Promise<Response> {
    return answering(null, "session", async () => {
      const { hub, sessions, held } = this.#options;
      const wrong = checkGet(request.headers);
      if (wrong !== undefined) return refuse(wrong);
      const session = await this.#session(request, caller);
      if (session.kind === "refused") return refuse(session.refusal);
      const view = this.#view(caller);
      if (view.kind === "refused") return refuse(view.refusal);
      const token = request.headers.get(SESSION_HEADER) ?? undefined;
      const last = request.headers.get(LAST_EVENT_HEADER) ?? undefined;
      const missing = last && hub.missing(session.value.id, last);
      const stream = hub.open({
        id: session.value.id,
        revision: session.value.revision,
        view: view.value.key,
        isLive: async () =>
          (await sessions.verify(token, caller)).kind === "live",
      }, last);
      if (stream === undefined) return refuse({ kind: "too many streams" });
      const { body } = stream;
      await held.hold(session.value, authorizationOf(request));
      if (missing) {
        await this.#catchUp(session.value, view.value, missing.lists);
      }
      return eventStreamResponse(body);
    });
  }

  /** Tells a client what it may have missed while it had no stream. */
  async #catchUp(
    session: ClientSession,
    view: View,
    lists: string | undefined,
  ): Promise<void> {
    const { hub, held } = this.#options;
    if (lists !== view.digest) {
      for (const capability of LIST_CAPABILITIES) {
        const method = changeNotification(capability);
        hub.send(session.id, JSON.stringify({ jsonrpc: "2.0", method }));
      }
    }
    await held.retell(session);
  }

  delete(request: Request, caller: RequestCaller): Promise<Response> {
    return answering(null, "session", async () => {
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

function refuse(refusal: Refusal, id: string | null = null): Response {
  return refusalResponse(refusal, id);
}
