/**
 * The broker's status as a table for a terminal. Pure.
 *
 * @module
 */

import type { ServerStatus, Status } from "../status.ts";

const HEAD = [
  "SERVER",
  "STATE",
  "ERA",
  "REVISION",
  "TOOLS",
  "PROMPTS",
  "RESOURCES",
  "LATENCY",
  "URL",
];

function row(server: ServerStatus): readonly string[] {
  return [
    server.name,
    server.state,
    server.sessions ? "both" : server.era ?? "-",
    server.revision ?? "-",
    String(server.tools),
    server.prompts === undefined ? "-" : String(server.prompts),
    server.resources === undefined ? "-" : String(server.resources),
    server.latencyMs === undefined ? "-" : `${Math.round(server.latencyMs)} ms`,
    server.url,
  ];
}

/** What is wrong with a server, one line each. */
function complaints(server: ServerStatus): readonly string[] {
  const unwell = server.state !== "ready" && server.state !== "disabled";
  return [
    ...(unwell && server.lastError !== undefined ? [server.lastError] : []),
    ...server.problems,
  ].map((text) => `  ${server.name}: ${text}`);
}

/**
 * Writes the table, and below it what is wrong.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { statusTable } from "./status_table.ts";
 *
 * assertEquals(
 *   statusTable({
 *     version: "0.1.0",
 *     configProblems: [],
 *     ready: true,
 *     servers: [{
 *       name: "weather",
 *       url: "http://127.0.0.1:9001/mcp",
 *       hostname: "weather.mcp.local",
 *       prefix: "weather_",
 *       state: "ready",
 *       since: "2026-01-01T00:00:00Z",
 *       era: "session",
 *       revision: "2025-11-25",
 *       tools: 3,
 *       prompts: 1,
 *       resources: 12,
 *       latencyMs: 4.2,
 *       problems: [],
 *     }],
 *     conflicts: [],
 *   }),
 *   "SERVER   STATE  ERA      REVISION    TOOLS  PROMPTS  RESOURCES  LATENCY  URL\n" +
 *     "weather  ready  session  2025-11-25  3      1        12         4 ms     http://127.0.0.1:9001/mcp",
 * );
 * ```
 */
export function statusTable(status: Status): string {
  const rows = [HEAD, ...status.servers.map(row)];
  const widths = HEAD.map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0))
  );
  const table = rows.map((cells) =>
    cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")
      .trimEnd()
  );
  const conflicts = status.conflicts.map(({ kind, name, kept, hidden }) =>
    `  ${kind} ${name}: offered by ${kept} and ${hidden}, ${kept} keeps it`
  );
  return [
    ...table,
    ...(status.servers.length === 0 ? ["(no servers)"] : []),
    ...status.servers.flatMap(complaints),
    ...(status.virtualServers ?? []).flatMap(({ name, problems }) =>
      problems.map((text) => `  virtual server ${name}: ${text}`)
    ),
    ...conflicts,
  ].join("\n");
}

/** Tells whether every server has come up, or is known not to. */
export function isSettled(status: Status): boolean {
  return status.servers.every(({ state }) => state !== "connecting");
}

/** Equal for two documents whose difference nobody needs to see. */
export function statusKey(status: Status): string {
  return JSON.stringify([
    status.servers.map((server) => [
      server.name,
      server.state,
      server.era,
      server.sessions,
      server.revision,
      server.tools,
      server.prompts,
      server.resources,
      server.problems,
      server.url,
    ]),
    status.virtualServers?.map(({ problems }) => problems),
    status.conflicts,
  ]);
}
