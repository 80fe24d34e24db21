/**
 * Keeps sessions alive while they have calls in flight: a client that waits
 * for a long call sends nothing, and is not idle. Notices too when one of them
 * has ended at another program.
 *
 * @module
 */

import type { Logger } from "../log.ts";
import type { Wait } from "../wait_on_timer.ts";
import type { SessionId } from "./sessions.ts";

/** What keeping works with. */
export interface KeepOptions {
  /** Sessions that have calls in flight now. */
  readonly sessions: () => readonly SessionId[];
  /** Records activity of one; false where it has ended. */
  readonly keep: (session: SessionId) => Promise<boolean>;
  /** Told of each that has ended. */
  readonly onEnded?: (session: SessionId) => void;
  /** Milliseconds in between. */
  readonly everyMs: number;
  /** Waits in between. */
  readonly delay: Wait;
  /** Ends the keeping. */
  readonly signal: AbortSignal;
  /** Log of what could not be recorded. */
  readonly log: Logger;
}

/** Records activity until the signal aborts; never rejects. */
export async function keepSessions(
  { sessions, keep, onEnded, everyMs, delay, signal, log }: KeepOptions,
): Promise<void> {
  for (;;) {
    await delay(everyMs, signal);
    if (signal.aborted) return;
    try {
      for (const session of sessions()) {
        if (!await keep(session)) onEnded?.(session);
      }
    } catch (error) {
      log.warn("session activity not recorded", { error });
    }
  }
}
