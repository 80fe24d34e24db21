/**
 * Runs the whole benchmark as briefly as can be. What it measures then means
 * nothing; that it runs, and that no request fails, does.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { available } from "../control_plane/_kube_tools.ts";
import { findBenchTools } from "./bench_tools.ts";
import { allCells, runCells } from "./run.ts";

const found = await available(findBenchTools);

Deno.test({
  name: "every cell of the benchmark runs, and no request fails",
  ignore: found.kind === "missing",
  async fn() {
    if (found.kind === "missing") return;
    const cells = allCells();
    const results = await runCells(cells, {
      tools: found.tools,
      rounds: 1,
      roundMs: 60,
      smoke: true,
      progress: () => {},
    });
    assertEquals(
      results.map(({ cell }) => cell),
      cells.map(({ name }) => name),
    );
    for (const { cell, paths, figures, failures, firstFailure } of results) {
      assertEquals(failures, 0, `${cell}: ${firstFailure}`);
      assert(figures.length > 0, `${cell} finds nothing out`);
      for (const { what, median } of figures) {
        assert(Number.isFinite(median), `${cell}: ${what} is ${median}`);
      }
      for (const [path, { requests }] of Object.entries(paths)) {
        assert(requests > 0, `${cell}: nothing was answered on ${path}`);
      }
    }
  },
});
