/**
 * Where a client listens: of several brokers, the one that its newest stream
 * is at. That one alone holds the streams of its servers, since most servers
 * give one to a session and no second.
 *
 * @module
 */

import type { Logger } from "../../shared/log.ts";
import type {
  ClientSession,
  Listener,
  Sessions,
} from "../../shared/sessions/sessions.ts";
import { errorText } from "../../shared/error_text.ts";

/** Says, and asks, where clients listen. None of it rejects. */
export interface Place {
  /** A client has opened a stream here. */
  claim(session: ClientSession): Promise<void>;
  /** Whether a client listens here, rather than at another broker. */
  isHere(session: ClientSession): Promise<boolean>;
  /** A client has no stream here any more. */
  leave(session: ClientSession): Promise<void>;
}

/**
 * Keeps it in the store of sessions.
 *
 * @param here This broker.
 */
export function placeInStore(
  sessions: Pick<Sessions, "listener" | "setListener">,
  here: Listener,
  log: Logger,
): Place {
  const trying = async <T>(
    session: ClientSession,
    otherwise: T,
    work: () => Promise<T>,
  ): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      // The session ended, or the store is away: as if there were one broker.
      log.debug("place of a listener not known", {
        session: session.id,
        error: errorText(error),
      });
      return otherwise;
    }
  };
  const listenerOf = async (session: ClientSession) =>
    (await sessions.listener(session))?.broker;
  return {
    claim: (session) =>
      trying(session, undefined, async () => {
        if (await listenerOf(session) === here.broker) return;
        await sessions.setListener(session, here);
      }),
    isHere: (session) =>
      trying(session, true, async () => {
        const listener = await listenerOf(session);
        // Whoever was newer has left: who still listens takes over.
        if (listener === undefined) {
          await sessions.setListener(session, here);
        }
        return listener === undefined || listener === here.broker;
      }),
    leave: (session) =>
      trying(session, undefined, async () => {
        if (await listenerOf(session) !== here.broker) return;
        await sessions.setListener(session, undefined);
      }),
  };
}
