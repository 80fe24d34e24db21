/**
 * Waiting for something, but not for long. Pure.
 *
 * @module
 */

import type { Wait } from "../shared/wait_on_timer.ts";

/**
 * Waits for something that never rejects, for so many milliseconds, or until
 * nobody is interested any more, whichever comes first.
 */
export async function briefly(
  what: Promise<unknown>,
  ms: number,
  wait: Wait,
  signal?: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const either = signal === undefined
    ? done.signal
    : AbortSignal.any([signal, done.signal]);
  await Promise.race([what, wait(ms, either)]);
  done.abort();
}
