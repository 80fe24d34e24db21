/**
 * A logger for tests that have nothing to say.
 *
 * @module
 */

import type { Logger } from "../../shared/log.ts";

/** Drops every record. */
export const SILENT: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => SILENT,
};
