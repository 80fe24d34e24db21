/**
 * Reads what Envoy asks, on arrival, so that nothing of protobuf gets further
 * in. Pure.
 *
 * @module
 */

import type { Phase } from "../phase.ts";
import { readAnyPhase } from "./read_any_phase.ts";
import { readCommonPhase } from "./read_common_phase.ts";

/**
 * Reads a ProcessingRequest.
 *
 * @throws {Error} If the bytes are no such message.
 */
export function readPhase(message: Uint8Array): Phase {
  return readCommonPhase(message) ?? readAnyPhase(message);
}
