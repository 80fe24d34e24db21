/**
 * Runs cells, one after the other, on one world that the first of them starts.
 *
 * @module
 */

import type { Bench, Cell, Found } from "./cell.ts";
import { callCells, eraCells } from "./cells/calls.ts";
import { configCells } from "./cells/config_change.ts";
import { fanOutCells } from "./cells/fan_out.ts";
import { listCells } from "./cells/lists.ts";
import { memoryCells } from "./cells/memory.ts";
import { startCells } from "./cells/starts.ts";
import { answerCells } from "./cells/answers.ts";
import { routerCells } from "./cells/routers.ts";
import { sessionCells } from "./cells/sessions.ts";
import type { CellResult } from "./results.ts";
import { World } from "./world.ts";

/** Every cell there is, in the order in which they run. */
export function allCells(): readonly Cell[] {
  return [
    ...callCells(),
    ...eraCells(),
    ...answerCells(),
    ...sessionCells(),
    ...listCells(),
    ...fanOutCells(),
    ...memoryCells(),
    ...startCells(),
    ...routerCells(),
    ...configCells(),
  ];
}

/** How to run them. */
export interface RunOptions extends Omit<Bench, "world"> {
  /** Told of each cell's result as soon as it is there. */
  readonly onResult?: (result: CellResult) => void;
}

/** A cell that could not be measured has failed; the others go on. */
function notMeasured(error: unknown): Found {
  const firstFailure = error instanceof Error ? error.message : `${error}`;
  return { paths: {}, figures: [], failures: 1, firstFailure };
}

/**
 * Runs cells. One that cannot be measured is a failure of its own, and does
 * not cost the others.
 */
export async function runCells(
  cells: readonly Cell[],
  options: RunOptions,
): Promise<readonly CellResult[]> {
  await using owned = new AsyncDisposableStack();
  let world: Promise<World> | undefined;
  const bench: Bench = {
    ...options,
    world: () =>
      world ??= World.start(options.tools).then(async (world) => {
        owned.use(world);
        if (!options.smoke) await world.warmUp();
        return world;
      }),
  };
  const results: CellResult[] = [];
  for (const [at, { name, about, run }] of cells.entries()) {
    options.progress(`${at + 1} of ${cells.length}: ${name}`);
    const started = performance.now();
    const found = await run(bench).catch(notMeasured);
    const seconds = (performance.now() - started) / 1000;
    const result = { cell: name, about, ...found, seconds };
    results.push(result);
    options.onResult?.(result);
  }
  return results;
}
