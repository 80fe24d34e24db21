/**
 * Puts the bridge to servers of the stateless era together, with the limits
 * that hold for it.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import type { ServerConfig } from "../../../shared/config/model.ts";
import { LIMITS } from "../../../shared/limits.ts";
import type { Logger } from "../../../shared/log.ts";
import type { Era, Implementation } from "../../../shared/mcp.ts";
import type { KeyRing } from "../../../shared/sessions/keys.ts";
import type { Listener, Sessions } from "../../../shared/sessions/sessions.ts";
import { type Wait, waitOnTimer } from "../../../shared/wait_on_timer.ts";
import type { ListKind } from "../../catalog/kinds.ts";
import type { Hub } from "../../notifications/hub.ts";
import { REOPENING } from "../../held_streams/held_stream.ts";
import { sendHint } from "../../held_streams/hint.ts";
import type { ServerAccess } from "../../upstream/backend_request.ts";
import { forwardToOwner } from "../owner.ts";
import type { WatchResources } from "../watch_resources.ts";
import type { Outcome } from "./conversation.ts";
import { SessionWatches } from "./session_watches.ts";
import { answerSubscriptions } from "./subscribe.ts";
import { StatelessBridge } from "./to_stateless.ts";
import {
  type WatchAccess,
  watchResourcesStateless,
  watchStateless,
} from "./watch.ts";

/** What the bridge is made from. */
export interface ToStatelessParts extends ServerAccess {
  /** Client sessions. */
  readonly sessions: Sessions;
  /** Keys of all brokers of this gateway. */
  readonly keys: KeyRing;
  /** This broker, as others reach it. */
  readonly here: Listener;
  /** Clients' streams. */
  readonly hub: Pick<Hub, "send">;
  /** The servers in force. */
  readonly servers: () => readonly ServerConfig[];
  /** The era that a server speaks; undefined where nobody knows yet. */
  readonly eraOf: (server: ServerConfig) => Era | undefined;
  /** Whether a server tells of updates of resources; true where unknown. */
  readonly tells: (server: ServerConfig) => boolean;
  /** Brings what is held for a client in line; false where it is not here. */
  readonly look: (session: string, server: string) => Promise<boolean>;
  /** Told that a server does not speak this era, it seems. */
  readonly onDoubt: (server: string) => void;
  /** Told which lists of a server changed, and which session heard so. */
  readonly relist: (
    server: string,
    lists: readonly ListKind[],
    session: string,
  ) => void;
  /** What the gateway calls itself. */
  readonly clientInfo: Implementation;
  /** Sends requests to other brokers. */
  readonly fetchBroker: (url: URL, init: RequestInit) => Promise<Response>;
  /** Told of each call that is over. */
  readonly onOutcome?: (method: string, outcome: Outcome) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Waits; with timers unless given. */
  readonly wait?: Wait;
  /** Limits other than the usual ones. */
  readonly limits?: Partial<typeof LIMITS>;
  /** Told of what goes on. */
  readonly log: Logger;
}

/** The bridge, and what goes with it. */
export interface ToStatelessBridge {
  /** Carries calls. */
  readonly bridge: StatelessBridge;
  /** Follows resources for clients in sessions. */
  readonly watches: SessionWatches;
  /** Follows resources of servers of the stateless era, for anybody. */
  readonly watchResources: WatchResources;
}

/** Milliseconds that another broker may take for an answer that is its own. */
const FORWARD_MS = 10_000;

/** Puts it together. */
export function assembleToStateless(
  parts: ToStatelessParts,
): ToStatelessBridge {
  const { sessions, keys, here, fetchBroker, now, log } = parts;
  const limits = { ...LIMITS, ...parts.limits };
  const wait = parts.wait ?? waitOnTimer;
  let lastId = 0;
  const access: WatchAccess = {
    ...parts,
    answerBytes: limits.bridgedAnswerBytes,
    acknowledgeMs: limits.initializeMs,
    reopening: REOPENING,
    wait,
    random: Math.random,
    nextId: () => `"watch-${++lastId}"`,
  };
  const watches = new SessionWatches({
    ...parts,
    watch: (watch) => watchStateless(watch, access),
    heldStreams: limits.heldStreams,
    wait,
  });
  const onChanged = async (session: string, server: string, at?: Listener) => {
    if (at === undefined || at.broker === here.broker) {
      await parts.look(session, server);
    } else if (at.url !== undefined) {
      await sendHint(at.url, { session, server }, fetchBroker, log);
    }
  };
  const bridge = new StatelessBridge({
    ...limits,
    ...parts,
    answerBytes: limits.bridgedAnswerBytes,
    wait,
    randomBytes,
    subscriptions: answerSubscriptions({
      ...parts,
      onChanged: async (session, server) =>
        onChanged(session.id, server, await sessions.listener(session)),
    }),
    forward: (owner, request) => {
      const signal = AbortSignal.timeout(FORWARD_MS);
      const forwarding = { keys, fetch: fetchBroker, now };
      return forwardToOwner(owner, request, forwarding, signal);
    },
  });
  return { bridge, watches, watchResources: watchResourcesStateless(access) };
}
