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
import { SESSION_HEADER } from "../../shared/headers.ts";
import type {
  Batch,
  Message,
  RequestMessage,
} from "../../shared/jsonrpc/message.ts";
import { scan } from "../../shared/jsonrpc/scanner.ts";
import type { Logger } from "../../shared/log.ts";
import { DEFAULT_SESSION_REVISION } from "../../shared/mcp.ts";
import type {
  ClientSession,
  OpenBackend,
  Sessions,
} from "../../shared/sessions/sessions.ts";
import { readBody } from "../../shared/body.ts";
import type { RequestCaller } from "../caller.ts";
import type { CurrentCatalog } from "../catalog/current_catalog.ts";
import { type View, WHOLE_CATALOG } from "../catalog/views.ts";
import type { Hub } from "../notifications/hub.ts";
import { checkGet, checkPost, checkRevision } from "./head.ts";
import { readInitialize, writeInitializeResult } from "./initialize.ts";
import { answerRequest, writeAnswer, writeBatch } from "./requests.ts";

/** What the endpoint works with. */
export interface SessionEraOptions {
  /** Client sessions. */
  readonly sessions: Sessions;
  /** The catalog in force. */
  readonly catalog: CurrentCatalog;
  /** Open streams. */
  readonly hub: Hub;
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
}

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
    const result = writeInitializeResult(read.handshake.revision, version);
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
    if (scanned.kind === "batch") {
      return this.#batch(body, scanned, session.value, view.value);
    }
    // Notifications, and responses to requests that we never make.
    if (scanned.kind !== "request") return accepted();
    const answer = answerRequest(body, scanned, view.value);
    return answer.kind === "refused"
      ? refuse(answer.refusal, scanned.id)
      : json(writeAnswer(scanned.id, answer));
  }

  /** Batches: 2025-03-26 must accept them, later revisions have none. */
  #batch(
    body: Uint8Array,
    batch: Batch,
    session: ClientSession,
    view: View,
  ): Response {
    if (session.revision !== DEFAULT_SESSION_REVISION) {
      return refuse({
        kind: "invalid request",
        detail: `revision ${session.revision} has no batches`,
      });
    }
    const requests = batch.messages.filter((one) => one.kind === "request");
    if (requests.some(({ method }) => method === "initialize")) {
      return refuse({
        kind: "invalid request",
        detail: "initialize must stand alone",
      });
    }
    if (requests.length === 0) return accepted();
    return json(writeBatch(
      requests.map((one) =>
        writeAnswer(one.id, answerRequest(body, one, view))
      ),
    ));
  }

  get(request: Request, caller: RequestCaller): Promise<Response> {
    return answering(null, async () => {
      const { hub, sessions } = this.#options;
      const wrong = checkGet(request.headers);
      if (wrong !== undefined) return refuse(wrong);
      const session = await this.#session(request, caller);
      if (session.kind === "refused") return refuse(session.refusal);
      const view = this.#view(caller);
      if (view.kind === "refused") return refuse(view.refusal);
      const token = request.headers.get(SESSION_HEADER) ?? undefined;
      const stream = hub.open({
        id: session.value.id,
        view: view.value.key,
        isLive: async () =>
          (await sessions.verify(token, caller)).kind === "live",
      });
      if (stream === undefined) return refuse({ kind: "too many streams" });
      return new Response(stream.body, {
        headers: {
          "content-type": "text/event-stream",
          "cache-control": "no-cache, no-transform",
          "x-accel-buffering": "no",
        },
      });
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
      log.info("session closed", {
        session: session.value.id,
        backends: backends.length,
      });
      endBackends(backends, request.headers.get("authorization") ?? undefined);
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
