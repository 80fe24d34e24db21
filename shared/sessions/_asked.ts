/**
 * Turns failures of the session store into what the client is told.
 *
 * @module
 */

import { GatewayError } from "../errors.ts";

/**
 * Awaits an answer of the store.
 *
 * @throws GatewayError `store unavailable` for whatever the store throws.
 */
export async function asked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (cause) {
    if (cause instanceof GatewayError) throw cause;
    throw new GatewayError({ kind: "store unavailable" }, { cause });
  }
}
