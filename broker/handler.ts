/**
 * Everything that the broker serves on its public listener, as one function
 * from Request to Response. Decides whose page sent a request, who calls and, once its body
 * was read, which era answers it.
 *
 * @module
 */

import { GatewayError, refusalResponse } from "../shared/errors.ts";
import type { Logger } from "../shared/log.ts";
import { VERSION_HEADER } from "../shared/headers.ts";
import type { Message } from "../shared/jsonrpc/message.ts";
import { type Era, isStatelessRevision } from "../shared/mcp.ts";
import { eraOf } from "../shared/stateless/envelope.ts";
import {
  callerOf,
  type CallerSettings,
  isGatewayPath,
  type RequestCaller,
} from "./caller.ts";
import { readPost } from "./post.ts";
import { checkOrigin, type OriginSettings } from "../shared/origin.ts";
import type { SessionEraEndpoint } from "./session_era/endpoint.ts";
import type { StatelessEraEndpoint } from "./stateless_era/endpoint.ts";

/** What the handler is composed of. */
export interface HandlerOptions {
  /** Which origins and hosts are allowed. */
  readonly origins: OriginSettings;
  /** How callers are told. */
  readonly callers: CallerSettings;
  /** Serves clients of the session era. */
  readonly sessionEra: SessionEraEndpoint;
  /** Serves clients of the stateless era. */
  readonly statelessEra: StatelessEraEndpoint;
  /** Largest body, bytes. */
  readonly maxBodyBytes: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Told of defects. */
  readonly log: Logger;
}

/** Serves one request; never rejects. */
export type Handler = (request: Request) => Promise<Response>;

/** Composes the handler. */
export function brokerHandler(options: HandlerOptions): Handler {
  return async (request) => {
    try {
      return await serve(request, options);
    } catch (error) {
      if (error instanceof GatewayError) {
        return refusalResponse(error.refusal, null);
      }
      options.log.error("request failed", { method: request.method, error });
      return refusalResponse({ kind: "internal error" }, null);
    }
  };
}

async function serve(
  request: Request,
  options: HandlerOptions,
): Promise<Response> {
  const { origins, callers, now } = options;
  const path = new URL(request.url).pathname;
  if (!isGatewayPath(path, callers.path)) {
    await request.body?.cancel();
    return Response.json({ error: `There is nothing at ${path}` }, {
      status: 404,
    });
  }
  const era = eraByHeader(request.headers);
  const forbidden = checkOrigin({
    host: request.headers.get("host"),
    origin: request.headers.get("origin"),
  }, origins);
  if (forbidden !== undefined) {
    await request.body?.cancel();
    return refusalResponse(forbidden, null, era);
  }
  const outcome = callerOf(request.headers, path, callers, now());
  if (outcome.kind === "refused") {
    await request.body?.cancel();
    return refusalResponse(outcome.refusal, null, era);
  }
  const { caller } = outcome;
  if (request.method === "POST") return await post(request, caller, options);
  await request.body?.cancel();
  // The stateless era has nothing but POST.
  if (era === "session" && request.method === "GET") {
    return await options.sessionEra.get(request, caller);
  }
  if (era === "session" && request.method === "DELETE") {
    return await options.sessionEra.delete(request, caller);
  }
  return refusalResponse({ kind: "method not allowed" }, null, era);
}

/** What is refused before the message is known goes by the header alone. */
function eraByHeader(headers: Headers): Era {
  return isStatelessRevision(headers.get(VERSION_HEADER))
    ? "stateless"
    : "session";
}

/** A POST is read once; its message decides which era answers it. */
async function post(
  request: Request,
  caller: RequestCaller,
  { sessionEra, statelessEra, maxBodyBytes }: HandlerOptions,
): Promise<Response> {
  const read = await readPost(request, maxBodyBytes);
  if (read.kind === "refused") {
    const era = eraByHeader(request.headers);
    return refusalResponse(read.refusal, read.id, era);
  }
  const { body, message } = read;
  const header = request.headers.get(VERSION_HEADER) ?? undefined;
  if (message.kind === "batch") {
    return isStatelessRevision(header)
      ? refusalResponse(
        {
          kind: "invalid request",
          detail: `revision ${header} has no batches`,
        },
        null,
        "stateless",
      )
      : await sessionEra.post({ request, body, message, caller });
  }
  const outcome = eraOf(body, message, header);
  switch (outcome.kind) {
    case "session":
      return await sessionEra.post({ request, body, message, caller });
    case "refused":
      return refusalResponse(outcome.refusal, idOf(message), "stateless");
    case "stateless": {
      const { envelope } = outcome;
      // There are no responses of this era.
      return message.kind === "response"
        ? refusalResponse({ kind: "invalid request" }, null, "stateless")
        : await statelessEra({ request, body, message, caller, envelope });
    }
    default:
      return outcome satisfies never;
  }
}

function idOf(message: Message): string | null {
  return message.kind === "request" ? message.id : null;
}
