/**
 * `deno task bench`: what the gateway costs, measured on this machine with a
 * real Envoy, beside what it is compared with. `README.md` in this folder says
 * what each cell is.
 *
 * @module
 */

import { runCommandLine, USAGE } from "../../shared/command_line.ts";
import { defaultCacheDir } from "../../shared/local/envoy_binary.ts";
import type { OptionValues } from "../../shared/options.ts";
import type { Cell } from "./cell.ts";
import { findBenchTools } from "./bench_tools.ts";
import { thisMachine } from "./machine.ts";
import { BENCH_OPTIONS } from "./options.ts";
import { type BenchResult, isBusy, isMet } from "./results.ts";
import { allCells, runCells } from "./run.ts";
import { publish } from "./publish.ts";
import { cellText } from "./report/text_table.ts";

/** Runs; resolves to the exit code: 1 where a request failed. */
export function main(args: readonly string[]): Promise<number> {
  return runCommandLine(
    {
      program: "deno task bench",
      summary:
        "Measures what the gateway costs, beside what it is compared with.",
      versionOf: "mcp-gateway",
      options: BENCH_OPTIONS,
      run: bench,
    },
    args,
    Deno.env,
  );
}

type Options = OptionValues<typeof BENCH_OPTIONS>;

async function bench(options: Options): Promise<number> {
  const only = new RegExp(options.only ?? "");
  const cells = allCells().filter(({ name }) => only.test(name));
  if (options.list) {
    for (const { name, about } of cells) console.log(`${name}: ${about}`);
    return 0;
  }
  const problem = problemOf(options, cells.length);
  if (problem !== undefined) {
    console.error(problem);
    return USAGE;
  }
  const result = options.from === undefined
    ? await measure(options, cells)
    : await read(options.from);
  if (options.json !== undefined) {
    await Deno.writeTextFile(
      options.json,
      `${JSON.stringify(result, null, 2)}\n`,
    );
  }
  if (options.publish) await publish(result);
  return conclude(result);
}

function problemOf(options: Options, cells: number): string | undefined {
  if (cells === 0) {
    return `Cannot measure: no cell matches ${options.only}. ` +
      "Remedy: --list shows all names";
  }
  return options.publish && (options.smoke || options.only !== undefined)
    ? "Cannot publish a part of the benchmark. " +
      "Remedy: leave --only and --smoke out"
    : undefined;
}

async function measure(
  options: Options,
  cells: readonly Cell[],
): Promise<BenchResult> {
  const env = (name: string) => Deno.env.get(name);
  const progress = (line: string) => console.error(line);
  const tools = await findBenchTools({
    cacheDir: defaultCacheDir(env),
    env,
    progress,
  });
  const rounds = options.smoke ? 1 : options.rounds;
  const roundMs = options.smoke ? 60 : options.roundMs;
  const machine = await thisMachine();
  if (isBusy(machine)) {
    progress(
      `The machine is busy (load ${machine.load}): figures will say little`,
    );
  }
  const about = {
    at: new Date().toISOString(),
    command: `deno task bench --rounds ${rounds} --round-ms ${roundMs}`,
    machine,
    rounds,
    roundMs,
  };
  const results = await runCells(cells, {
    tools,
    rounds,
    roundMs,
    smoke: options.smoke,
    progress,
    onResult: (result) => console.log(`${cellText(result)}\n`),
  });
  return { ...about, cells: results };
}

/** Reads what this program wrote, and shows it again. */
async function read(file: string): Promise<BenchResult> {
  const result: BenchResult = JSON.parse(await Deno.readTextFile(file));
  for (const cell of result.cells) console.log(`${cellText(cell)}\n`);
  return result;
}

/** Says the last words. */
function conclude({ cells, rounds, roundMs }: BenchResult): number {
  const figures = cells.flatMap(({ figures }) => figures);
  const missed = figures.filter((figure) => isMet(figure) === false).length;
  const goals = figures.filter(({ target }) => target !== undefined).length;
  const failures = cells.reduce((sum, { failures }) => sum + failures, 0);
  console.log(
    `${cells.length} cells, ${rounds} rounds of ${roundMs} ms; ` +
      `${goals - missed} of ${goals} goals met; ${failures} failed requests`,
  );
  return failures === 0 ? 0 : 1;
}

if (import.meta.main) {
  Deno.exit(
    await main(Deno.args).catch((error) => {
      console.error(error instanceof Error ? error.message : error);
      return 1;
    }),
  );
}
