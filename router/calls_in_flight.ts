/**
 * The calls that are on their way through this router: how many of each
 * session, so that one client cannot take all there is, and which server has
 * which, so that a cancellation finds it.
 *
 * @module
 */

import type { ServerConfig } from "../shared/config/model.ts";
import type { ClientSession } from "../shared/sessions/sessions.ts";
import type { CallsInFlight } from "./exchange_ports.ts";

/** A call, as a cancellation names it. */
interface Call {
  /** The request's id, raw JSON; none where a stream was taken up again. */
  readonly id: string | undefined;
  readonly server: ServerConfig;
  cancelled: boolean;
}

/** The calls of one session. */
interface Calls {
  readonly session: ClientSession;
  readonly all: Set<Call>;
}

/** The registry, as its owner sees it. */
export interface CallRegistry extends CallsInFlight {
  /** Sessions that have calls in flight. */
  sessions(): readonly ClientSession[];
}

/**
 * Makes a registry with `perSession` places for each session.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { createCallsInFlight } from "./calls_in_flight.ts";
 * import { server } from "../shared/_testing.ts";
 * import { session } from "./_testing.ts";
 *
 * const calls = createCallsInFlight(1);
 * const weather = server("weather");
 * const place = calls.begin(session, { id: "7", server: weather });
 * assertEquals(calls.begin(session, { id: "8", server: weather }), undefined);
 * assertEquals(calls.cancel(session, "7"), weather);
 * assertEquals(place?.cancelled, true);
 * place?.giveBack();
 * assertEquals(calls.cancel(session, "7"), undefined);
 * ```
 */
export function createCallsInFlight(perSession: number): CallRegistry {
  const bySession = new Map<string, Calls>();
  return {
    begin(session, call) {
      const calls = bySession.get(session.id) ?? { session, all: new Set() };
      if (calls.all.size >= perSession) return undefined;
      // An object of its own: the same call twice takes two places.
      const own: Call = { ...call, cancelled: false };
      calls.all.add(own);
      bySession.set(session.id, calls);
      return {
        get cancelled() {
          return own.cancelled;
        },
        giveBack() {
          calls.all.delete(own);
          // Not where the session has begun anew meanwhile.
          if (calls.all.size === 0 && bySession.get(session.id) === calls) {
            bySession.delete(session.id);
          }
        },
      };
    },
    cancel(session, id) {
      const found = [...bySession.get(session.id)?.all ?? []]
        .filter((call) => call.id === id);
      const server = found[0]?.server;
      // Where a client uses an id twice, nobody knows which one it means.
      if (found.some((call) => call.server.name !== server?.name)) {
        return undefined;
      }
      for (const call of found) call.cancelled = true;
      return server;
    },
    sessions: () => [...bySession.values()].map(({ session }) => session),
  };
}
