/**
 * When a server that falters is dropped, and when it is tried again. Pure.
 *
 * @module
 */

/** How patient the gateway is with one server. All times in milliseconds. */
export interface Patience {
  /** Time between two signs of life asked of a server. */
  readonly checkMs: number;
  /** Time after which a list is read again although nothing was announced. */
  readonly relistMs: number;
  /** Failed checks in a row before a server is dropped… */
  readonly graceChecks: number;
  /** …and the time that must have passed since the first of them. */
  readonly graceMs: number;
  /** Wait after the first failure; it doubles with each further one. */
  readonly backoffMs: number;
  /** Longest wait between two tries. */
  readonly maxBackoffMs: number;
  /** Wait before a server that was refused is looked at again. */
  readonly refusedMs: number;
  /** Wait before a notification stream that ended is opened again. */
  readonly reopenMs: number;
  /** Least time between two readings of a list. */
  readonly relistGapMs: number;
  /**
   * For how long a server that has sessions is believed to be no stateless one
   * as well: such a belief never fails by itself.
   */
  readonly eraMs: number;
}

/** What holds unless something else is given. */
export const PATIENCE: Patience = {
  checkMs: 15_000,
  relistMs: 60_000,
  graceChecks: 3,
  graceMs: 60_000,
  backoffMs: 250,
  // A server that is back should be in use again within ten seconds.
  maxBackoffMs: 8_000,
  refusedMs: 30_000,
  reopenMs: 1_000,
  relistGapMs: 100,
  eraMs: 300_000,
};

/** Failures in a row; all zero while there are none. */
export interface Health {
  /** How many. */
  readonly failures: number;
  /** When the first of them was, milliseconds. */
  readonly since: number;
}

/** Nothing is wrong. */
export const HEALTHY: Health = { failures: 0, since: 0 };

/** One more failure. */
export function afterFailure(health: Health, now: number): Health {
  return {
    failures: health.failures + 1,
    since: health.failures === 0 ? now : health.since,
  };
}

/** Whether the last good list has been kept for long enough. */
export function isDropped(
  health: Health,
  now: number,
  patience: Patience,
): boolean {
  return health.failures >= patience.graceChecks &&
    now - health.since >= patience.graceMs;
}

/**
 * Milliseconds to wait before the next try: doubling, capped, and between half
 * and the whole of that at random, so that replicas do not come all at once.
 *
 * @param random At least 0, below 1.
 */
export function backoff(
  health: Health,
  random: number,
  patience: Pick<Patience, "backoffMs" | "maxBackoffMs">,
): number {
  const doubled = patience.backoffMs *
    2 ** Math.min(30, Math.max(0, health.failures - 1));
  return Math.min(patience.maxBackoffMs, doubled) * (0.5 + random / 2);
}
