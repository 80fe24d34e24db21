/**
 * `PROGRAM check FILE`: everything that is wrong with a configuration, each
 * with its place and remedy, before it is put into force.
 *
 * @module
 */

import { type Command, refuse, runCommandLine } from "./command_line.ts";
import { COMMON_OPTIONS } from "./common_options.ts";
import type { ConfigResult } from "./config/model.ts";
import { formatProblem, parseConfig } from "./config/parse.ts";
import {
  DENO_READ_IO,
  readConfig,
  type ReadIo,
  STDIN,
  UnreadableConfig,
} from "./config/read_config.ts";

const SUMMARY = "Says everything that is wrong with a configuration, and where";

/** The command. */
export const CHECK_COMMAND: Command = {
  name: "check",
  operands: "[FILE]",
  summary: SUMMARY,
  run: (args, env, program) => {
    const files = args.filter(isOperand);
    if (files.length > 1) {
      return Promise.resolve(
        refuse(program, [`Cannot check ${files.join(" and ")}: give one file`]),
      );
    }
    return runCommandLine(
      {
        program,
        summary: `${SUMMARY}. FILE is a path, or - for standard input; the ` +
          "program's own configuration where left out. Exit code 0 where it " +
          "can be used, warnings or not; 1 where not.",
        operands: "[FILE]",
        options: { config: COMMON_OPTIONS.config },
        run: async ({ config }) => {
          const { lines, ok } = await checkConfig(
            files[0] ?? config,
            DENO_READ_IO,
          );
          for (const line of lines) (ok ? console.log : console.error)(line);
          return ok ? 0 : 1;
        },
      },
      args.filter((...arg) => !isOperand(...arg)),
      env,
    );
  },
};

/** `--config FILE` is the only option with a value: better as `--config=FILE`. */
function isOperand(arg: string, at: number, all: readonly string[]): boolean {
  return (arg === STDIN || !arg.startsWith("-")) && all[at - 1] !== "--config";
}

/** What is to be said of a configuration. */
export interface CheckReport {
  /** Each problem, then the verdict. */
  readonly lines: readonly string[];
  /** Whether it can be used. */
  readonly ok: boolean;
}

/** Checks one configuration. */
export async function checkConfig(
  file: string,
  io: ReadIo,
): Promise<CheckReport> {
  const name = file === STDIN ? "standard input" : file;
  try {
    return report(
      name,
      parseConfig(await readConfig(file, io), { file: name }),
    );
  } catch (error) {
    if (!(error instanceof UnreadableConfig)) throw error;
    return { lines: [error.message], ok: false };
  }
}

function report(name: string, result: ConfigResult): CheckReport {
  const { ok, problems } = result;
  const warnings = problems.filter(({ severity }) => severity === "warning");
  const errors = problems.length - warnings.length;
  const counts = result.ok
    ? [
      count(result.config.servers.length, "server"),
      count(result.config.virtualServers.length, "virtual server"),
    ]
    : [count(errors, "error")];
  if (warnings.length > 0) counts.push(count(warnings.length, "warning"));
  const verdict = ok ? "can be used" : "cannot be used";
  return {
    lines: [
      ...problems.map(formatProblem),
      `${name} ${verdict}: ${counts.join(", ")}`,
    ],
    ok,
  };
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
