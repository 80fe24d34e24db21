/**
 * A logger that remembers.
 *
 * @module
 */

import type { LogFields, Logger } from "../../shared/log.ts";

/** One record. */
export interface LogRecord {
  /** Its level. */
  readonly level: string;
  /** Its message. */
  readonly message: string;
  /** Its fields. */
  readonly fields: LogFields;
}

/** A logger, and what it was told. */
export interface Recorder extends Logger {
  /** Everything, in order. */
  readonly records: LogRecord[];
}

/** Makes one. */
export function recorder(
  records: LogRecord[] = [],
  common: LogFields = {},
): Recorder {
  const at = (level: string) => (message: string, fields: LogFields = {}) =>
    void records.push({ level, message, fields: { ...common, ...fields } });
  return {
    records,
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => recorder(records, { ...common, ...fields }),
  };
}
