/**
 * Draws what a call costs, as SVG that is readable on light and on dark
 * ground. Pure.
 *
 * @module
 */

import type { BenchResult, PathResult } from "../results.ts";

/** A path that is drawn, and how. */
interface Series {
  readonly path: string;
  readonly label: string;
  readonly style: string;
}

const SERIES: readonly Series[] = [
  { path: "envoy", label: "Envoy alone", style: "a" },
  { path: "go", label: "Envoy and a processor in Go", style: "b" },
  { path: "gateway", label: "the gateway", style: "c" },
];

const GROUPS = ["session", "stateless"].flatMap((era) =>
  [1, 16, 64].map((connections) => ({
    cell: `call/${era}/prefixed/300B/${connections}`,
    label: `${era === "session" ? "in sessions" : "stateless"}, ${connections}`,
  }))
);

/** A panel: one number of each path. */
interface Panel {
  readonly title: string;
  readonly value: (of: PathResult) => number;
}

const PANELS: readonly Panel[] = [
  { title: "calls per second", value: ({ rate }) => rate.median },
  {
    title: "CPU per call, Envoy and its processor, µs",
    value: ({ cpu }) =>
      (cpu["envoy"]?.median ?? 0) + (cpu["processor"]?.median ?? 0),
  },
];

const WIDTH = 860;
const LABELS = 130;
const BAR = 12;
const GROUP = SERIES.length * BAR + 14;
const PANEL_WIDTH = (WIDTH - LABELS) / 2;
/** Room for the number behind a bar, and between panels. */
const MARGIN = 60;
const TOP = 74;

// Colours that people with any kind of colour vision tell apart.
const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; }
  .a { fill: #8c959f; } .b { fill: #0072b2; } .c { fill: #d55e00; }
  .axis { stroke: #8c959f; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .a { fill: #7d8590; } .b { fill: #56b4e9; } .c { fill: #ff8c42; }
  }`;

/** Draws calls of 300 B with a prefix. Cells that were not measured are left out. */
export function picture(result: BenchResult): string {
  const groups = GROUPS.flatMap(({ cell, label }) => {
    const found = result.cells.find((one) => one.cell === cell);
    return found === undefined ? [] : [{ label, paths: found.paths }];
  });
  const height = TOP + groups.length * GROUP + 10;
  const title =
    "tools/call of 300 B, prefix removed, by era and number of clients";
  const parts = [
    text(0, 16, title, "title"),
    ...SERIES.map(({ label, style }, at) => legend(at, label, style)),
    ...groups.map(({ label }, at) =>
      text(LABELS - 10, groupTop(at) + GROUP / 2, label, "", "end")
    ),
    ...PANELS.flatMap((panel, at) => drawPanel(panel, at, groups)),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}\n</style>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function drawPanel(
  { title, value }: Panel,
  at: number,
  groups: readonly { readonly paths: Readonly<Record<string, PathResult>> }[],
): readonly string[] {
  const left = LABELS + at * PANEL_WIDTH;
  const room = PANEL_WIDTH - MARGIN;
  const values = groups.map(({ paths }) =>
    SERIES.map(({ path }) => paths[path] === undefined ? 0 : value(paths[path]))
  );
  const most = Math.max(1, ...values.flat());
  return [
    text(left, TOP - 12, title, "title"),
    `<line class="axis" x1="${left}" x2="${left}" y1="${TOP - 4}" y2="${
      groupTop(groups.length) - 8
    }"/>`,
    ...values.flatMap((ofGroup, group) =>
      ofGroup.flatMap((one, series) => {
        const y = groupTop(group) + series * BAR;
        const width = Math.round(one / most * room);
        return [
          `<rect class="${
            SERIES[series]!.style
          }" x="${left}" y="${y}" width="${width}" height="${BAR - 2}"/>`,
          text(
            left + width + 5,
            y + BAR - 3,
            Math.round(one).toLocaleString("en"),
          ),
        ];
      })
    ),
  ];
}

function groupTop(at: number): number {
  return TOP + at * GROUP;
}

function legend(at: number, label: string, style: string): string {
  const x = at * 220;
  return `<rect class="${style}" x="${x}" y="28" width="10" height="10"/>` +
    text(x + 16, 37, label);
}

function text(
  x: number,
  y: number,
  content: string,
  style = "",
  anchor = "start",
): string {
  return `<text x="${x}" y="${y}"${style === "" ? "" : ` class="${style}"`}${
    anchor === "start" ? "" : ` text-anchor="${anchor}"`
  }>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
