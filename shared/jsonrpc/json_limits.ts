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

/** Limits of reading values by their spans. */
export interface ReadLimits extends JsonLimits {
  /**
   * Whether objects may repeat keys, and strings be something else than UTF-8.
   * All else stays an error. For text that is only taken apart: what leaves
   * the gateway is to be checked strictly, part by part.
   */
  readonly lenient?: boolean;
}

/** The limits that hold where none are given. */
export const JSON_LIMITS: JsonLimits = { maxDepth: LIMITS.jsonDepth };

/**
 * How servers' messages are taken apart: lenient, and deeper than a message
 * may be, so that a doubtful tool costs itself and not the list it stands in.
 */
export const SERVER_JSON: ReadLimits = {
  maxDepth: 8 * LIMITS.jsonDepth,
  lenient: true,
};
