/**
 * Answers `resources/subscribe` and `resources/unsubscribe` of clients in
 * sessions at servers of the stateless era, which have no such methods: the
 * subscription is remembered with the session, and whoever holds the client's
 * stream is told.
 *
 * @module
 */

import type { ServerConfig } from "../../../shared/config/model.ts";
import { refusalResponse } from "../../../shared/errors.ts";
import type {
  ClientSession,
  Sessions,
} from "../../../shared/sessions/sessions.ts";
import { answerParts } from "../../answer.ts";
import { jsonResponse } from "../../responses.ts";
import type { SessionCall } from "../bridged_call.ts";

/** What it takes. */
export interface SubscribeOptions {
  /** Client sessions. */
  readonly sessions: Pick<Sessions, "subscribe" | "unsubscribe">;
  /** Whether a server tells of updates at all; true where nobody knows. */
  readonly tells: (server: ServerConfig) => boolean;
  /**
   * Told of a session whose subscriptions at a server are others now; settles
   * soon, once the server is listened to where the client listens.
   */
  readonly onChanged: (
    session: ClientSession,
    server: string,
  ) => Promise<void>;
}

const EMPTY = new TextEncoder().encode("{}");

/** Makes what answers. What goes wrong is thrown as a `GatewayError`. */
export function answerSubscriptions(
  { sessions, tells, onChanged }: SubscribeOptions,
): (call: SessionCall) => Promise<Response> {
  return async ({ request: { id, method }, session, server, name: uri }) => {
    if (!tells(server)) {
      const detail = `${method}: ${server.name} tells of no updates`;
      return refusalResponse({ kind: "unknown method", detail }, id);
    }
    const subscription = { server: server.name, uri };
    if (method === "resources/subscribe") {
      await sessions.subscribe(session, subscription);
    } else {
      await sessions.unsubscribe(session, subscription);
    }
    await onChanged(session, server.name);
    return jsonResponse(answerParts(id, { kind: "result", result: EMPTY }));
  };
}
