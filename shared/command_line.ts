/**
 * A program's command line: its options, and the commands that stand before
 * them, such as `check`. Answers what every program answers alike (`--help`,
 * `--version`, mistakes) and hands the rest on.
 *
 * | exit code | what it means |
 * |---|---|
 * | 0 | done, or ended in order |
 * | 1 | something failed |
 * | 2 | the command line cannot be used |
 *
 * @module
 */

import { nearestName } from "./nearest_name.ts";
import {
  type CommandDescription,
  type Environment,
  type OptionTable,
  type OptionValues,
  parseOptions,
} from "./options.ts";
import { describeVersion } from "./version.ts";

/** Exit code of a command line that cannot be used. */
export const USAGE = 2;

/** Something that a program does instead of running. */
export interface Command extends CommandDescription {
  /**
   * Does it.
   *
   * @param program What its help calls it: `router check`.
   * @returns The exit code.
   */
  readonly run: (
    args: readonly string[],
    env: Environment,
    program: string,
  ) => Promise<number>;
}

/** A command line: what may stand there, and what then happens. */
export interface CommandLine<T extends OptionTable> {
  /** What help calls it: `router`, `router check`. */
  readonly program: string;
  /** What it is for, in a sentence. */
  readonly summary: string;
  /** Whose version is told; its own unless given. */
  readonly versionOf?: string;
  /** Its options. */
  readonly options: T;
  /** What may stand there besides options; nothing where left out. */
  readonly operands?: string;
  /** What the program does besides. */
  readonly commands?: readonly Command[];
  /** What people look for here in vain, and where it is, by name. */
  readonly elsewhere?: Readonly<Record<string, string>>;
  /** Runs it with options that are valid; returns the exit code. */
  readonly run: (values: OptionValues<T>, env: Environment) => Promise<number>;
}

/** What the first argument asks for. */
export type Invocation =
  | { readonly kind: "program" }
  | { readonly kind: "command"; readonly command: Command }
  | { readonly kind: "unknown"; readonly problem: string };

/** Tells what the first argument asks for. */
export function findCommand(
  { program, commands = [], elsewhere = {} }: Pick<
    CommandLine<OptionTable>,
    "program" | "commands" | "elsewhere"
  >,
  [first]: readonly string[],
): Invocation {
  if (first === undefined || first.startsWith("-") || commands.length === 0) {
    return { kind: "program" };
  }
  const command = commands.find(({ name }) => name === first);
  if (command !== undefined) return { kind: "command", command };
  const unknown = `Unknown command ${JSON.stringify(first)}`;
  if (Object.hasOwn(elsewhere, first)) {
    return {
      kind: "unknown",
      problem: `${unknown}: ${program} has none such, use ${elsewhere[first]}`,
    };
  }
  const names = commands.map(({ name }) => name);
  const nearest = nearestName(first, names);
  return {
    kind: "unknown",
    problem: nearest === undefined
      ? `${unknown}: want ${names.join(" or ")}, or options`
      : `${unknown}: did you mean ${nearest}?`,
  };
}

/** Runs what a command line asks for; returns the exit code. */
export async function runCommandLine<const T extends OptionTable>(
  line: CommandLine<T>,
  args: readonly string[],
  env: Environment,
): Promise<number> {
  const { program } = line;
  const invocation = findCommand(line, args);
  switch (invocation.kind) {
    case "command": {
      const { command } = invocation;
      return await command.run(
        args.slice(1),
        env,
        `${program} ${command.name}`,
      );
    }
    case "unknown":
      return refuse(program, [invocation.problem]);
    case "program":
      break;
    default:
      return invocation satisfies never;
  }
  const outcome = parseOptions(line.options, args, env, line);
  switch (outcome.kind) {
    case "help":
      console.log(outcome.text);
      return 0;
    case "version":
      console.log(
        describeVersion(line.versionOf ?? program.split(" ")[0] ?? program),
      );
      return 0;
    case "invalid":
      return refuse(program, outcome.problems);
    case "options":
      return await line.run(outcome.values, env);
    default:
      return outcome satisfies never;
  }
}

/** Says what is wrong with a command line; returns the exit code. */
export function refuse(program: string, problems: readonly string[]): number {
  for (const problem of problems) console.error(problem);
  console.error(`See ${program} --help`);
  return USAGE;
}
