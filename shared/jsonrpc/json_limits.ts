/**
 * Limits of what is read as JSON.
 *
 * @module
 */

import { LIMITS } from "../limits.ts";

/** Limits of what is read as JSON. */
export interface JsonLimits {
  /** How many objects and arrays may stand in each other; at least 1. */
  readonly maxDepth: number;
}

/** The limits that hold where none are given. */
export const JSON_LIMITS: JsonLimits = { maxDepth: LIMITS.jsonDepth };
