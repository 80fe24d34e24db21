/**
 * Shows results as text: what is read on a terminal. Pure.
 *
 * @module
 */

import { type CellResult, type Figure, isMet } from "../results.ts";

/** Aligns cells of rows in columns; the first to the left, others right. */
export function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((text, at) =>
      widths[at] = Math.max(widths[at] ?? 0, text.length)
    );
  }
  return rows.map((row) =>
    row.map((text, at) =>
      at === 0 ? text.padEnd(widths[at]!) : text.padStart(widths[at]!)
    ).join("  ").trimEnd()
  );
}

/** Writes a number with three digits that mean something. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 100) return String(Math.round(value));
  return value.toFixed(size >= 10 ? 1 : 2);
}

/** Shows what one cell came to. */
export function cellText(result: CellResult): string {
  const { cell, about, paths, figures, failures, firstFailure } = result;
  const lines = [`${cell}: ${about}`];
  if (Object.keys(paths).length > 0) {
    lines.push(...aligned(pathRows(paths)).map((line) => `  ${line}`));
  }
  lines.push(...aligned(figures.map(figureRow)).map((line) => `  ${line}`));
  if (failures > 0) {
    lines.push(`  FAILED: ${failures} requests, first: ${firstFailure ?? ""}`);
  }
  return lines.join("\n");
}

function pathRows(paths: CellResult["paths"]): readonly string[][] {
  const processes = [
    ...new Set(Object.values(paths).flatMap(({ cpu }) => Object.keys(cpu))),
  ];
  return [
    [
      "path",
      "per second",
      "p50 µs",
      "p99 µs",
      ...processes.map((name) => `${name} CPU µs`),
      "messages",
    ],
    ...Object.entries(paths).map((
      [name, { rate, p50, p99, cpu, messages }],
    ) => [
      name,
      number(rate.median),
      number(p50.median),
      number(p99.median),
      ...processes.map((process) => number(cpu[process]?.median ?? NaN)),
      messages === undefined ? "–" : number(messages),
    ]),
  ];
}

function figureRow(figure: Figure): readonly string[] {
  const { what, min, max } = figure;
  const met = isMet(figure);
  return [
    what,
    valueText(figure),
    min === max ? "" : `[${number(min)}..${number(max)}]`,
    goalText(figure),
    met === undefined ? "" : met ? "met" : "NOT MET",
  ];
}

/** Writes a figure's value with its unit. */
export function valueText({ median, unit }: Figure): string {
  return `${number(median)}${unit === "" ? "" : ` ${unit}`}`;
}

/** Writes what a figure has to be; "" where that does not matter. */
export function goalText({ target }: Figure): string {
  if (target !== undefined && target.atLeast === target.atMost) {
    return `${target.atLeast}`;
  }
  return [
    ...(target?.atLeast === undefined ? [] : [`>= ${target.atLeast}`]),
    ...(target?.atMost === undefined ? [] : [`<= ${target.atMost}`]),
  ].join(", ");
}
