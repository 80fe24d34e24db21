/**
 * Keeps sessions alive while they have calls in flight: a client that waits
 * for a long call sends nothing, and is not idle.
 *
 * @module
 */

import { LIMITS } from "../shared/limits.ts";
import type { Logger } from "../shared/log.ts";
import type { ClientSession } from "../shared/sessions/sessions.ts";
import type { Wait } from "../shared/wait_on_timer.ts";

/** What keeping works with. */
export interface KeepOptions {
  /** Sessions that have calls in flight now. */
  readonly sessions: () => readonly ClientSession[];
  /** Records activity of one. */
  readonly touch: (session: ClientSession) => Promise<void>;
  /** Waits in between. */
  readonly delay: Wait;
  /** Ends the keeping. */
  readonly signal: AbortSignal;
  /** Log of what could not be recorded. */
  readonly log: Logger;
}

/** Records activity until the signal aborts; never rejects. */
export async function keepSessions(
  { sessions, touch, delay, signal, log }: KeepOptions,
): Promise<void> {
  for (;;) {
    await delay(LIMITS.sessionTouchMs, signal);
    if (signal.aborted) return;
    try {
      for (const session of sessions()) await touch(session);
    } catch (error) {
      log.warn("session activity not recorded", { error });
    }
  }
}
