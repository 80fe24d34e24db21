/**
 * How tests through a whole gateway are declared.
 *
 * @module
 */

import { within } from "./wait.ts";

/** A test that waits for ever would hide which one it is. */
const DEADLINE_MS = 120_000;

/**
 * Declares a test by the sentence it proves. Sockets and timers of servers
 * that a whole file shares outlive a single test, so they are not counted
 * against it. What a test needs and this machine has not is reason to ignore it.
 */
export function proves(
  sentence: string,
  test: () => void | Promise<void>,
  options: { readonly ignore?: boolean } = {},
): void {
  Deno.test({
    ...options,
    name: sentence,
    fn: async () =>
      await within("the test's end", Promise.resolve(test()), DEADLINE_MS),
    sanitizeOps: false,
    sanitizeResources: false,
  });
}

/**
 * Owns what the tests of one file share: started before the first, disposed of
 * after the last.
 *
 * @param start Starts it; everything it owns goes onto the stack, so that a
 * start that fails half-way leaves nothing behind.
 * @returns Gives what was started, to tests.
 */
export function shared<T>(
  start: (stack: AsyncDisposableStack) => Promise<T>,
): () => T {
  const stack = new AsyncDisposableStack();
  let started: { readonly value: T } | undefined;
  Deno.test.beforeAll(async () => {
    try {
      started = { value: await start(stack) };
    } catch (cause) {
      await stack.disposeAsync();
      throw cause;
    }
  });
  Deno.test.afterAll(() => stack.disposeAsync());
  return () => {
    if (started === undefined) throw new Error("The file's setup has not run");
    return started.value;
  };
}
