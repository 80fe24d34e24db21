/**
 * Reads virtual servers: named selections of tools and prompts.
 *
 * @module
 */

import type { ConfigNode } from "./_document.ts";
import { type Found, kindOf, MapReader } from "./_map_reader.ts";
import { type ProblemList, shown } from "./_problems.ts";
import type { VirtualServerConfig } from "./model.ts";

const KEYS: readonly string[] = ["name", "tools", "prompts", "description"];

/** Reads `virtualServers:`, a list. */
export function readVirtualServers(
  found: Found<ConfigNode>,
  problems: ProblemList,
): readonly VirtualServerConfig[] {
  const { value: node, at, path } = found;
  if (node.kind === "scalar" && node.value === null) return [];
  if (node.kind !== "list") {
    problems.error(
      at,
      path,
      `Cannot use ${path}: it is ${kindOf(node)}`,
      "Write a list, each item with a name, or leave the key out",
    );
    return [];
  }
  const read: VirtualServerConfig[] = [];
  const lines = new Map<string, number>();
  for (const [i, item] of node.items.entries()) {
    const own = `${path}[${i}]`;
    if (item.kind !== "map") {
      problems.error(
        item.at,
        own,
        `Cannot use ${own}: it is ${kindOf(item)}`,
        "Write a mapping: {name: team/travel, tools: [weather_forecast]}",
      );
      continue;
    }
    const reader = new MapReader(item, own, problems);
    reader.reportUnknown(KEYS);
    const virtual = readVirtualServer(reader, lines, problems);
    if (virtual !== undefined) read.push(virtual);
  }
  return read;
}

/** Reads one; `lines` has the names so far and where they stand. */
function readVirtualServer(
  reader: MapReader,
  lines: Map<string, number>,
  problems: ProblemList,
): VirtualServerConfig | undefined {
  const tools = unique(reader, "tools", problems);
  const prompts = isGiven(reader, "prompts")
    ? unique(reader, "prompts", problems)
    : undefined;
  const description = reader.text("description", { orEmpty: true })?.value;
  if (!reader.has("name")) {
    problems.error(
      reader.at,
      `${reader.path}.name`,
      `Cannot use ${reader.path}: name is missing`,
      "Add a unique name, such as name: team/travel",
    );
  } else if (tools.length === 0 && prompts?.length === 0) {
    problems.warn(
      reader.at,
      reader.path,
      `${reader.path} selects nothing: its clients see empty lists`,
      "List tools or prompts by the names that clients see",
    );
  }
  const name = reader.text("name");
  if (name === undefined) return undefined;
  // It is a part of the endpoint's path, and the value of a header.
  if (
    !/^[\w.-]{1,253}(\/[\w.-]{1,253})?$/.test(name.value) ||
    /(^|\/)\.{1,2}(\/|$)/.test(name.value)
  ) {
    problems.error(
      name.at,
      name.path,
      `Cannot use ${name.path}: ${shown(name.value)} cannot stand in a path`,
      "Write NAMESPACE/NAME or NAME of letters, digits and - _ .",
    );
    return undefined;
  }
  const line = lines.get(name.value);
  if (line !== undefined) {
    problems.error(
      name.at,
      name.path,
      `Cannot use ${name.path}: ${
        shown(name.value)
      } is also the name on line ${line}`,
      "Give each virtual server a name of its own",
    );
    return undefined;
  }
  lines.set(name.value, problems.lineOf(name.at));
  return {
    name: name.value,
    tools,
    ...(prompts === undefined ? {} : { prompts }),
    ...(description ? { description } : {}),
  };
}

/** Whether there is a value: a program that has none may write null. */
function isGiven(reader: MapReader, key: string): boolean {
  const node = reader.node(key)?.value;
  return node !== undefined && !(node.kind === "scalar" && node.value === null);
}

/** Reads a list of names, each once. */
function unique(
  reader: MapReader,
  key: string,
  problems: ProblemList,
): readonly string[] {
  const names = new Set<string>();
  for (const { value, at, path } of reader.texts(key) ?? []) {
    if (names.has(value)) {
      problems.warn(
        at,
        path,
        `${path} is in the list already: ${shown(value)}`,
        "Remove it",
      );
    }
    names.add(value);
  }
  return [...names];
}
