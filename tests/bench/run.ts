/**
 * Runs cells, one after the other, on one world that the first of them starts.
 *
 * @module
 */

import type { Bench, Cell } from "./cell.ts";
import { callCells } from "./cells/calls.ts";
import type { CellResult } from "./results.ts";
import { World } from "./world.ts";

/** Every cell there is, in the order in which they run. */
export function allCells(): readonly Cell[] {
  return [...callCells()];
}

/** How to run them. */
export interface RunOptions extends Omit<Bench, "world"> {
  /** Told of each cell's result as soon as it is there. */
  readonly onResult?: (result: CellResult) => void;
}

/**
 * Runs cells.
 *
 * @throws {Error} Naming the cell that could not be measured.
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
      world ??= World.start(options.tools).then((world) => owned.use(world)),
  };
  const results: CellResult[] = [];
  for (const [at, { name, about, run }] of cells.entries()) {
    options.progress(`${at + 1} of ${cells.length}: ${name}`);
    const started = performance.now();
    try {
      const found = await run(bench);
      const seconds = (performance.now() - started) / 1000;
      const result = { cell: name, about, ...found, seconds };
      results.push(result);
      options.onResult?.(result);
    } catch (cause) {
      throw new Error(
        `Cannot measure ${name}: ${
          cause instanceof Error ? cause.message : cause
        }`,
        { cause },
      );
    }
  }
  return results;
}
