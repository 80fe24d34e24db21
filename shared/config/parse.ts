/**
 * Parses and validates a configuration as a whole. Takes text, returns a
 * configuration or every problem in it, each with its place and what to do
 * about it. Reads no file and no secret.
 *
 * @module
 */

import { type ConfigNode, MINIMAL_EXAMPLE, readDocument } from "./_document.ts";
import { kindOf, MapReader } from "./_map_reader.ts";
import { oneLine, ProblemList } from "./_problems.ts";
import { readMcpServers, readServerList, shortHash } from "./_servers.ts";
import { readVirtualServers } from "./_virtual_servers.ts";
import type { ConfigProblem, ConfigResult, GatewayConfig } from "./model.ts";

/** What goes with the text. */
export interface ParseOptions {
  /** The file as it is to be named in problems. */
  readonly file: string;
}

type Content = Omit<GatewayConfig, "version">;

/**
 * Parses a configuration: YAML or JSON, of the gateway's own form (`servers`)
 * or of the one that MCP clients share (`mcpServers`).
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { formatProblem, parseConfig } from "./parse.ts";
 *
 * const good = parseConfig(
 *   "servers: [{name: weather, url: 'http://127.0.0.1:9001/mcp'}]",
 *   { file: "mcp.yaml" },
 * );
 * assert(good.ok);
 * assertEquals(good.config.servers[0]?.hostname, "weather.mcp.local");
 *
 * const bad = parseConfig("servers:\n- name: weather\n  ulr: x\n", {
 *   file: "mcp.yaml",
 * });
 * assertEquals(bad.problems.map(formatProblem), [
 *   "mcp.yaml:2:3: error: Cannot use servers[0]: url is missing. " +
 *   "Remedy: Add where the server listens, such as url: http://127.0.0.1:9001/mcp",
 *   "mcp.yaml:3:3: error: Cannot use servers[0].ulr: there is no such key. " +
 *   "Remedy: Write url",
 * ]);
 * ```
 */
export function parseConfig(text: string, options: ParseOptions): ConfigResult {
  const problems = new ProblemList(options.file, text);
  const root = readDocument(text, problems);
  const content = root && readContent(root, problems);
  if (content === undefined || problems.hasErrors) {
    return { ok: false, problems: problems.sorted() };
  }
  // Every object in it is built by this code in one order of keys, so equal
  // content prints alike, whatever the file looked like.
  const version = shortHash(JSON.stringify(content));
  return {
    ok: true,
    config: { version, ...content },
    problems: problems.sorted(),
  };
}

function readContent(
  root: ConfigNode,
  problems: ProblemList,
): Content | undefined {
  if (root.kind !== "map") {
    problems.error(
      root.at,
      "",
      `Cannot use the file: it is ${kindOf(root)}`,
      `Write a mapping: ${MINIMAL_EXAMPLE}`,
    );
    return undefined;
  }
  const reader = new MapReader(root, "", problems);
  const own = reader.node("servers");
  const common = reader.node("mcpServers");
  reader.reportUnknown(
    common === undefined
      ? ["servers", "mcpServers", "virtualServers"]
      : ["servers", "mcpServers", "virtualServers", "$schema"],
    undefined,
    common === undefined ? "error" : "warning",
  );
  if (own === undefined && common === undefined) {
    problems.error(
      root.at,
      "servers",
      "Cannot use the file: servers is missing",
      `Write 'servers: []' for none, or ${MINIMAL_EXAMPLE}`,
    );
  }
  if (own !== undefined && common !== undefined) {
    problems.error(
      reader.keyAt("mcpServers"),
      "mcpServers",
      "Cannot use mcpServers: there is servers, too",
      "Move all servers to one of the two",
    );
  }
  const virtual = reader.node("virtualServers");
  return {
    servers: [
      ...(own ? readServerList(own, problems) : []),
      ...(common ? readMcpServers(common, problems) : []),
    ],
    virtualServers: virtual ? readVirtualServers(virtual, problems) : [],
  };
}

/**
 * Writes a problem on one line, for logs and terminals:
 * `FILE:LINE:COLUMN: error: MESSAGE. Remedy: REMEDY`.
 */
export function formatProblem(problem: ConfigProblem): string {
  const { file, line, column, severity, message, remedy } = problem;
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return oneLine(`${place}: ${severity}: ${message}. Remedy: ${remedy}`);
}
