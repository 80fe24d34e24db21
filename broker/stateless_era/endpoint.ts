/**
 * The MCP server that clients of the stateless era talk to (2026-07-28): each
 * POST is complete in itself. Puts the pure parts beside it together with the
 * catalog and the bridges.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
 * @module
 */

import { createHash } from "node:crypto";
import type { GatewayConfig } from "../../shared/config/model.ts";
import { type Refusal, refusalResponse } from "../../shared/errors.ts";
import type {
  NotificationMessage,
  RequestMessage,
} from "../../shared/jsonrpc/message.ts";
import { asString } from "../../shared/jsonrpc/values.ts";
import { LIMITS } from "../../shared/limits.ts";
import type { Logger } from "../../shared/log.ts";
import { META } from "../../shared/mcp.ts";
import type { Envelope } from "../../shared/stateless/envelope.ts";
import { checkParamHeaders } from "../../shared/stateless/param_headers.ts";
import { checkStandardHeaders } from "../../shared/stateless/standard_headers.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";
import { answerParts } from "../answer.ts";
import type { RequestCaller } from "../caller.ts";
import type { CurrentCatalog } from "../catalog/current_catalog.ts";
import { kindListedBy, type ListKind } from "../catalog/kinds.ts";
import { type ListHints, strictestOf } from "../catalog/list_hints.ts";
import { type View, WHOLE_CATALOG } from "../catalog/views.ts";
import { ClientPresence } from "../client_presence.ts";
import type { ToSession } from "../era_bridge/bridged_call.ts";
import type {
  ListAnswers,
  ListClient,
  OwnItems,
} from "../lists/list_answers.ts";
import { readListenFilter } from "../listens/filter.ts";
import type { Listens } from "../listens/listens.ts";
import { type Watches, watchForListen } from "../listens/watch_for_listen.ts";
import type { Post } from "../post.ts";
import { misrouted, unbridged } from "../resolve_call.ts";
import { resolveForClient } from "../resolve_for_client.ts";
import { isLogLevel, LOG_LEVELS } from "../relay/log_level.ts";
import {
  acceptedResponse,
  answering,
  eventStreamResponse,
  jsonResponse,
} from "../responses.ts";
import { cacheScopeOf } from "./cache_hints.ts";
import { discoverResult, listMembers } from "./results.ts";

/** What the endpoint works with. */
export interface StatelessEraOptions {
  /** The catalog in force. */
  readonly catalog: CurrentCatalog;
  /** Answers list methods. */
  readonly lists: ListAnswers;
  /** Open `subscriptions/listen` streams. */
  readonly listens: Listens;
  /** How resources are watched for them; not at all unless given. */
  readonly watches?: Watches | undefined;
  /** Waits. */
  readonly wait: Wait;
  /** Told of what fails. */
  readonly log: Logger;
  /** Where the gateway serves MCP. */
  readonly path: string;
  /** The gateway's version. */
  readonly version: string;
  /** Finds what only one client sees; nothing unless given. */
  readonly ownItems?: OwnItems | undefined;
  /** Carries calls to servers that have sessions; refused without it. */
  readonly toSession?: ToSession | undefined;
}

/** A message of this era. */
export interface StatelessPost
  extends Post<RequestMessage | NotificationMessage> {
  /** What it says of itself. */
  readonly envelope: Envelope;
}

/** Serves one message of a known caller. */
export type StatelessEraEndpoint = (post: StatelessPost) => Promise<Response>;

/** Makes the endpoint. */
export function statelessEraEndpoint(
  options: StatelessEraOptions,
): StatelessEraEndpoint {
  const endpoint = new Endpoint(options);
  return (post) => endpoint.serve(post);
}

class Endpoint {
  readonly #options: StatelessEraOptions;

  constructor(options: StatelessEraOptions) {
    this.#options = options;
  }

  async serve(post: StatelessPost): Promise<Response> {
    const { message } = post;
    // The revision gives clients nothing to notify of over HTTP.
    if (message.kind === "notification") return acceptedResponse();
    return await answering(
      message.id,
      "stateless",
      () => this.#answer(post, message),
    );
  }

  async #answer(
    post: StatelessPost,
    message: RequestMessage,
  ): Promise<Response> {
    const { headers } = post.request;
    const wrong = checkStandardHeaders(
      message,
      (name) => headers.get(name) ?? undefined,
    );
    if (wrong !== undefined) return refuse(wrong, message.id);
    const { logLevel } = post.envelope;
    if (logLevel !== undefined && !isLogLevel(asString(post.body, logLevel))) {
      const detail = `${META.logLevel} is none of ${LOG_LEVELS.join(", ")}`;
      return refuse({ kind: "invalid params", detail }, message.id);
    }
    const seen = this.#see(post.caller);
    if (seen.kind === "refused") return refuse(seen.refusal, message.id);
    const { view } = seen;
    switch (message.method) {
      case "server/discover":
        return this.#discover(post, message, seen);
      case "subscriptions/listen":
        return this.#listen(post, message, view);
      case "tools/call":
      case "prompts/get":
      case "resources/read":
      case "completion/complete":
        return await this.#call(post, message, view);
      default: {
        const kind = kindListedBy(message.method);
        return kind === undefined
          ? refuse(
            { kind: "unknown method", detail: message.method },
            message.id,
          )
          : await this.#list(kind, post, message, seen);
      }
    }
  }

  #discover(
    { caller }: StatelessPost,
    { id }: RequestMessage,
    { view, config }: Seen,
  ): Response {
    const { version, path, watches = {} } = this.#options;
    const result = discoverResult({
      version,
      instructions: view.instructions,
      watchesResources: Object.keys(watches).length > 0,
      ttlMs: LIMITS.listTtlMs,
      cacheScope: cacheScopeOf(undefined, caller, config, path),
    });
    const answer = new TextEncoder().encode(result);
    return jsonResponse(answerParts(id, { kind: "result", result: answer }));
  }

  async #list(
    kind: ListKind,
    { request, body, caller }: StatelessPost,
    message: RequestMessage,
    { view, config }: Seen,
  ): Promise<Response> {
    const { lists, path, version } = this.#options;
    // Never longer, nor for more, than its servers allow.
    const own: ListHints = {
      ttlMs: LIMITS.listTtlMs,
      cacheScope: cacheScopeOf(kind, caller, config, path),
    };
    const hints = strictestOf([own, view.hints[kind]]) ?? own;
    const client = clientOf(request, caller, view);
    const answer = await lists(
      kind,
      body,
      message,
      // Whoever may be given a page may ask for the next one.
      hints.cacheScope === "public"
        ? { ...client, cursorsFor: ANYBODY }
        : client,
      listMembers(version, hints),
    );
    return answer.kind === "refused"
      ? refuse(answer.refusal, message.id)
      : jsonResponse(answerParts(message.id, answer));
  }

  #listen(
    { request, body, caller }: StatelessPost,
    message: RequestMessage,
    view: View,
  ): Response {
    const { catalog, listens, watches = {}, wait, log } = this.#options;
    const read = readListenFilter(body, message, LIMITS);
    if (read.kind === "refused") return refuse(read.refusal, message.id);
    const { lists, uris } = read.filter;
    const table = catalog.routes;
    if (table === undefined) {
      return refuse({ kind: "not configured" }, message.id);
    }
    const { session, authorization } = clientOf(request, caller, view);
    const listen = listens.open({
      id: message.id,
      owner: { identity: caller.identity, caller: session, view: view.key },
      lists,
    });
    if (listen === undefined) {
      return refuse({ kind: "too many streams" }, message.id);
    }
    const { body: events } = listen;
    if (uris.length === 0) listen.acknowledge([]);
    else {
      watchForListen(listen, uris, table, authorization, {
        watches,
        patienceMs: LIMITS.listenPatienceMs,
        wait,
        log,
      }).catch((error: unknown) => {
        log.error("resources not watched", { error });
        return [];
      }).then((granted) => listen.acknowledge(granted));
    }
    return eventStreamResponse(events);
  }

  /** A call that is a server's to answer is here to be translated, or lost. */
  async #call(
    { request, body, caller, envelope }: StatelessPost,
    message: RequestMessage,
    view: View,
  ): Promise<Response> {
    const { catalog, toSession, ownItems } = this.#options;
    const table = catalog.routes;
    if (table === undefined) {
      return refuse({ kind: "not configured" }, message.id);
    }
    const client = clientOf(request, caller, view);
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
    const mirrored = checkParamHeaders(
      call.item?.paramHeaders ?? [],
      body,
      message,
      (name) => request.headers.get(name) ?? undefined,
    );
    if (mirrored !== undefined) return refuse(mirrored, message.id);
    switch (call.era) {
      case "stateless":
        return refuse(misrouted(call), message.id);
      case "session":
        break;
      case undefined:
        return refuse({ kind: "catalog unavailable" }, message.id);
      default:
        return call.era satisfies never;
    }
    if (toSession === undefined) return refuse(unbridged(call), message.id);
    const presence = new ClientPresence(request.signal);
    return presence.pass(
      await toSession({
        ...call,
        request: message,
        body,
        caller,
        authorization: client.authorization,
        envelope,
        headers: request.headers,
        signal: presence.signal,
      }),
    );
  }

  #see({ virtualServer }: RequestCaller): Seen | Refused {
    const { state } = this.#options.catalog;
    if (state === undefined) {
      return { kind: "refused", refusal: { kind: "not configured" } };
    }
    const view = state.views.get(virtualServer ?? WHOLE_CATALOG);
    return view === undefined || virtualServer === WHOLE_CATALOG
      ? { kind: "refused", refusal: { kind: "unknown virtual server" } }
      : { kind: "seen", view, config: state.config };
  }
}

/** What a client sees of the catalog. */
interface Seen {
  readonly kind: "seen";
  readonly view: View;
  readonly config: GatewayConfig;
}

interface Refused {
  readonly kind: "refused";
  readonly refusal: Refusal;
}

/** Holder of cursors of lists that are the same for all. */
const ANYBODY = "anybody";

/** Who lists: whoever sends the same credential, and what it sees. */
function clientOf(
  request: Request,
  { identity }: RequestCaller,
  view: View,
): ListClient {
  const authorization = request.headers.get("authorization") ?? undefined;
  return {
    session: callerKey(identity, authorization),
    view,
    era: "stateless",
    ...(authorization === undefined ? {} : { authorization }),
  };
}

/**
 * What stands for a session where there is none: the same for one caller with
 * one credential, different for any other, and no session's id.
 */
function callerKey(
  identity: string,
  authorization: string | undefined,
): string {
  const hash = createHash("sha256")
    .update(JSON.stringify([identity, authorization ?? null]));
  return `caller:${hash.digest("base64url")}`;
}

function refuse(refusal: Refusal, id: string): Response {
  return refusalResponse(refusal, id, "stateless");
}
