/**
 * Writes results as Markdown, for the documentation. Pure.
 *
 * @module
 */

import {
  type BenchResult,
  type CellResult,
  type Figure,
  isBusy,
  isMet,
  type PathResult,
} from "../results.ts";
import { goalText, number, valueText } from "./text_table.ts";

/** The rows of the short table: a call of a kind, and in words what it is. */
const SHORT: readonly (readonly [cell: string, what: string])[] = [
  ["call/session/prefixed/300B/1", "300 B, in sessions, 1 client"],
  ["call/session/prefixed/300B/16", "300 B, in sessions, 16 clients"],
  ["call/session/prefixed/300B/64", "300 B, in sessions, 64 clients"],
  ["call/stateless/prefixed/300B/1", "300 B, stateless, 1 client"],
  ["call/stateless/prefixed/300B/16", "300 B, stateless, 16 clients"],
  ["call/stateless/prefixed/300B/64", "300 B, stateless, 64 clients"],
  ["call/session/prefixed/64KiB/16", "64 KiB, in sessions, 16 clients"],
  ["call/stateless/prefixed/64KiB/16", "64 KiB, stateless, 16 clients"],
];

/** Writes the table that is read first: calls, and what became of goals. */
export function shortReport(result: BenchResult): string {
  const rows = SHORT.flatMap(([name, what]) => {
    const cell = result.cells.find(({ cell }) => cell === name);
    return cell === undefined ? [] : [[what, ...callColumns(cell)]];
  });
  return [
    about(result),
    table(["call", ...CALL_COLUMNS], rows),
    goalsInWords(result),
  ].join("\n\n");
}

/** Writes every figure. */
export function fullReport(result: BenchResult): string {
  const { cells } = result;
  const calls = cells.filter(({ paths }) => "go" in paths);
  const others = cells.filter(({ paths }) =>
    !("go" in paths) && Object.keys(paths).length > 0
  );
  const figures = cells.flatMap(({ cell, figures }) =>
    figures.map((figure) => ({ cell, figure }))
  );
  return [
    about(result),
    "### Goals",
    table(
      ["cell", "what", "goal", "measured", "lowest and highest", ""],
      figures.filter(({ figure }) => figure.target !== undefined)
        .map(({ cell, figure }) => [
          code(cell),
          figure.what,
          goalText(figure),
          valueText(figure),
          range(figure),
          isMet(figure) ? "met" : "**not met**",
        ]),
    ),
    "### Calls",
    table(
      ["cell", ...CALL_COLUMNS],
      calls.map((cell) => [code(cell.cell), ...callColumns(cell)]),
    ),
    "### Other paths",
    table(
      [
        "cell",
        "path",
        "per second",
        "p50",
        "p99",
        "CPU: Envoy",
        "processor",
        "broker",
      ],
      others.flatMap(({ cell, paths }) =>
        Object.entries(paths).map(([path, one]) => [
          code(cell),
          path,
          number(one.rate.median),
          time(one.p50.median),
          time(one.p99.median),
          cpu(one, "envoy"),
          cpu(one, "processor"),
          cpu(one, "broker"),
        ])
      ),
    ),
    "### Other figures",
    table(
      ["cell", "what", "measured", "lowest and highest"],
      // Those of calls follow from the table above.
      figures.filter(({ cell, figure }) =>
        figure.target === undefined && !calls.some((one) => one.cell === cell)
      )
        .map(({ cell, figure }) => [
          code(cell),
          figure.what,
          valueText(figure),
          range(figure),
        ]),
    ),
  ].join("\n\n");
}

/**
 * Puts text between two comments: `<!-- bench:NAME -->` and
 * `<!-- /bench:NAME -->`.
 *
 * @throws {Error} Where they are not in it, once each and in that order.
 */
export function putBetween(
  text: string,
  name: string,
  content: string,
): string {
  const [open, close] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const [before, rest, ...more] = text.split(open);
  const [, after, ...others] = rest?.split(close) ?? [];
  if (after === undefined || more.length > 0 || others.length > 0) {
    throw new Error(
      `Cannot put the results into the text: it has no ${open} … ${close}, or more than one`,
    );
  }
  return `${before}${open}\n\n${content}\n\n${close}${after}`;
}

const CALL_COLUMNS = [
  "direct",
  "Envoy alone",
  "Envoy, Go processor",
  "gateway",
  "gateway / Go",
  "p50: Envoy alone",
  "Go",
  "gateway",
  "CPU: Go",
  "router",
];

function callColumns({ paths, figures }: CellResult): readonly string[] {
  const of = (path: string, write: (of: PathResult) => string) =>
    paths[path] === undefined ? "–" : write(paths[path]);
  const rate = (path: string) => of(path, ({ rate }) => number(rate.median));
  const p50 = (path: string) => of(path, ({ p50 }) => time(p50.median));
  const ratio = figures.find(({ what }) => what.startsWith("calls per second"));
  return [
    ...["direct", "envoy", "go", "gateway"].map(rate),
    ratio === undefined ? "–" : number(ratio.median),
    ...["envoy", "go", "gateway"].map(p50),
    of("go", (one) => cpu(one, "processor")),
    of("gateway", (one) => cpu(one, "processor")),
  ];
}

function cpu({ cpu }: PathResult, process: string): string {
  const used = cpu[process]?.median;
  return used === undefined ? "–" : `${number(used)} µs`;
}

/** Writes microseconds. */
function time(us: number): string {
  return us < 1_000 ? `${number(us)} µs` : `${number(us / 1_000)} ms`;
}

function range({ min, max }: Figure): string {
  return min === max ? "" : `${number(min)} to ${number(max)}`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function about(result: BenchResult): string {
  const { machine, at, rounds, roundMs, command } = result;
  const { cpu, cores, memory, system, versions, load } = machine;
  const gib = Math.round(memory / 2 ** 30);
  const ran = Object.entries(versions).map(([name, version]) =>
    `${name} ${version}`
  );
  return `Measured on ${
    at.slice(0, 10)
  } by \`${command}\`: ${rounds} rounds of ` +
    `${roundMs} ms for each path, medians. ${cpu}, ${cores} cores shared by ` +
    `clients, Envoy (one thread), processors and server, ${gib} GiB, ${system}; ` +
    `${ran.join(", ")}; load before: ${number(load)}.${
      isBusy(result.machine)
        ? " The machine was busy with other things: these figures say little."
        : ""
    }`;
}

function goalsInWords({ cells }: BenchResult): string {
  const figures = cells.flatMap(({ figures }) => figures)
    .filter(({ target }) => target !== undefined);
  const met = figures.filter(isMet).length;
  const requests = cells.reduce(
    (sum, { paths }) =>
      sum + Object.values(paths).reduce((sum, one) => sum + one.requests, 0),
    0,
  );
  const failures = cells.reduce((sum, { failures }) => sum + failures, 0);
  return `Of ${figures.length} goals that the project has set itself, ${met} ` +
    `are met. Of ${requests.toLocaleString("en")} requests, ${
      failures === 0 ? "none" : failures
    } failed.`;
}

/** Columns of words, which stand to the left. */
const TEXTS: ReadonlySet<string> = new Set(["call", "cell", "what", "path"]);

function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    line(head),
    line(head.map((name) => TEXTS.has(name) ? "---" : "---:")),
    ...rows.map(line),
  ].join("\n");
}
