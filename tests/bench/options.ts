/**
 * The options of `deno task bench`.
 *
 * @module
 */

/** Rows of the table for `parseOptions`. */
export const BENCH_OPTIONS = {
  only: {
    kind: "string",
    placeholder: "PATTERN",
    check: checkPattern,
    help: "Regular expression that a cell's name has to match, e.g. " +
      "call/session/prefixed/300B; --list shows all names",
  },
  rounds: {
    kind: "integer",
    min: 1,
    max: 100,
    default: 9,
    placeholder: "COUNT",
    help: "Rounds of each cell; what is shown is their median",
  },
  roundMs: {
    kind: "integer",
    min: 20,
    max: 60_000,
    default: 250,
    placeholder: "MS",
    help: "Milliseconds of one path in one round",
  },
  smoke: {
    kind: "boolean",
    help: "See whether everything runs: one short round, small crowds; the " +
      "figures mean nothing",
  },
  list: {
    kind: "boolean",
    help: "Show the names of all cells and run none",
  },
  from: {
    kind: "path",
    placeholder: "FILE",
    help: "Measure nothing: take the results that --json wrote",
  },
  publish: {
    kind: "boolean",
    help: "Put the results into the documentation: tables and picture",
  },
  json: {
    kind: "path",
    placeholder: "FILE",
    help: "File that the results are written to",
  },
} as const;

function checkPattern(pattern: string): string | undefined {
  try {
    new RegExp(pattern);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
