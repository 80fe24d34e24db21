/**
 * Everything that the broker serves on its public listener, as one function
 * from Request to Response. Decides what a request is before anybody reads its
 * body: whose page sent it, who calls, which era.
 *
 * @module
 */

import { GatewayError, refusalResponse } from "../shared/errors.ts";
import type { Logger } from "../shared/log.ts";
import { callerOf, type CallerSettings, isGatewayPath } from "./caller.ts";
import { checkOrigin, type OriginSettings } from "../shared/origin.ts";
import type { SessionEraEndpoint } from "./session_era/endpoint.ts";

/** What the handler is composed of. */
export interface HandlerOptions {
  /** Which origins and hosts are allowed. */
  readonly origins: OriginSettings;
  /** How callers are told. */
  readonly callers: CallerSettings;
  /** Serves clients of the session era. */
  readonly sessionEra: SessionEraEndpoint;
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
  { origins, callers, sessionEra, now }: HandlerOptions,
): Promise<Response> {
  const path = new URL(request.url).pathname;
  if (!isGatewayPath(path, callers.path)) {
    await request.body?.cancel();
    return Response.json({ error: `There is nothing at ${path}` }, {
      status: 404,
    });
  }
  const forbidden = checkOrigin({
    host: request.headers.get("host"),
    origin: request.headers.get("origin"),
  }, origins);
  if (forbidden !== undefined) {
    await request.body?.cancel();
    return refusalResponse(forbidden, null);
  }
  const outcome = callerOf(request.headers, path, callers, now());
  if (outcome.kind === "refused") {
    await request.body?.cancel();
    return refusalResponse(outcome.refusal, null);
  }
  return await sessionEra(request, outcome.caller);
}
