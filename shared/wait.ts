/**
 * Waiting for something outside: a look, a pause, another look, until it is
 * there, the time is over or the caller has lost interest.
 *
 * @module
 */

/** How to wait. */
export interface WaitOptions {
  /** What is waited for, for the error: `Envoy to take the routes`. */
  readonly what: string;
  /** Milliseconds after which to give up. */
  readonly timeoutMs: number;
  /** Milliseconds between two looks. Default 20. */
  readonly intervalMs?: number;
  /** Ends the waiting with its reason. */
  readonly signal?: AbortSignal;
}

/** Waits; rejects with the signal's reason as soon as it is aborted. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

/**
 * Looks until there is something to see.
 *
 * @param look Returns undefined for "not yet"; an error ends the waiting.
 * @throws {Error} When the time is over.
 */
export async function waitFor<T>(
  look: () => Promise<T | undefined> | T | undefined,
  options: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  while (true) {
    options.signal?.throwIfAborted();
    const seen = await look();
    if (seen !== undefined) return seen;
    if (performance.now() > deadline) {
      throw new Error(
        `Cannot wait longer for ${options.what}: ${options.timeoutMs} ms are over`,
      );
    }
    await delay(options.intervalMs ?? 20, options.signal);
  }
}
