/**
 * Waiting in tests: for a state, with a deadline, never for a time.
 *
 * @module
 */

import { delay } from "../../shared/wait.ts";

/** How long to wait. */
export interface WaitOptions {
  /** Milliseconds until the wait fails with the last reason. Default 20,000. */
  readonly deadlineMs?: number;
  /** Milliseconds between two looks. Default 25. */
  readonly intervalMs?: number;
}

const DEADLINE_MS = 20_000;

/**
 * Repeats `look` until it returns without throwing, and returns what it
 * returned.
 *
 * @throws What `look` threw last, where the deadline passes.
 *
 * @example
 * ```ts ignore
 * const tools = await eventually(async () => {
 *   const tools = await client.toolNames();
 *   assertEquals(tools, ["new_echo"]);
 *   return tools;
 * });
 * ```
 */
export async function eventually<T>(
  look: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<T> {
  const deadline = performance.now() + (options.deadlineMs ?? DEADLINE_MS);
  while (true) {
    try {
      return await look();
    } catch (cause) {
      if (performance.now() > deadline) throw cause;
    }
    await delay(options.intervalMs ?? 25);
  }
}

/**
 * Waits for a promise, but not for ever.
 *
 * @throws {Error} Naming `what`, where the deadline passes first.
 */
export async function within<T>(
  what: string,
  promise: Promise<T>,
  deadlineMs: number = DEADLINE_MS,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new Error(`${what}: nothing within ${deadlineMs} ms`)),
    deadlineMs,
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
