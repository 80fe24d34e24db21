/**
 * Reads typed values out of one mapping of the file and reports each that is
 * of another type, or under a key that nobody knows. Decides nothing about
 * what the values mean.
 *
 * @module
 */

import type { ConfigNode, MapNode } from "./_document.ts";
import { nearest } from "./_nearest.ts";
import { below, type ProblemList, shown } from "./_problems.ts";

/** A value that was read and where it stood. */
export interface Found<T> {
  /** The value. */
  readonly value: T;
  /** Offset in the text. */
  readonly at: number;
  /** Path in the document. */
  readonly path: string;
}

/** Names the kind of a node for a message; not its value: it may be secret. */
export function kindOf(node: ConfigNode): string {
  switch (node.kind) {
    case "map":
      return "a mapping";
    case "list":
      return "a list";
    case "scalar":
      if (node.value === null) return "empty";
      if (node.value === "") return '""';
      return typeof node.value === "string" ? "text" : `a ${typeof node.value}`;
    default:
      return node satisfies never;
  }
}

/** How to mend text that YAML read as something else. */
function quoteRemedy(node: ConfigNode): string {
  return node.kind === "scalar" &&
      (typeof node.value === "number" || typeof node.value === "boolean")
    ? "Put it in quotes"
    : "Write a text, or leave the key out";
}

/** Reads one mapping. */
export class MapReader {
  readonly #node: MapNode;
  readonly #problems: ProblemList;
  /** Path of the mapping in the document. */
  readonly path: string;
  /** Offset of the mapping in the text. */
  readonly at: number;

  /** Reads `node`, which stands at `path`. */
  constructor(node: MapNode, path: string, problems: ProblemList) {
    this.#node = node;
    this.#problems = problems;
    this.path = path;
    this.at = node.at;
  }

  /** Whether the key is there, with any value. */
  has(key: string): boolean {
    return this.#node.entries.has(key);
  }

  /** The node under a key. */
  node(key: string): Found<ConfigNode> | undefined {
    const entry = this.#node.entries.get(key);
    if (entry === undefined) return undefined;
    return {
      value: entry.value,
      at: entry.value.at,
      path: below(this.path, key),
    };
  }

  /** Offset of a key, or of the mapping where the key is missing. */
  keyAt(key: string): number {
    return this.#node.entries.get(key)?.keyAt ?? this.at;
  }

  /** Text under a key, never empty unless `orEmpty`. */
  text(
    key: string,
    options: { readonly orEmpty?: boolean } = {},
  ): Found<string> | undefined {
    const found = this.node(key);
    if (found === undefined) return undefined;
    const { value: node, at, path } = found;
    if (
      node.kind === "scalar" && typeof node.value === "string" &&
      (node.value !== "" || options.orEmpty)
    ) return { value: node.value, at, path };
    this.#wrongKind(found, quoteRemedy(node));
    return undefined;
  }

  /** `true` or `false` under a key. */
  flag(key: string): boolean | undefined {
    const found = this.node(key);
    if (found === undefined) return undefined;
    const { value: node } = found;
    if (node.kind === "scalar" && typeof node.value === "boolean") {
      return node.value;
    }
    this.#wrongKind(found, "Write true or false, without quotes");
    return undefined;
  }

  /** One of a few words under a key. */
  choice<T extends string>(
    key: string,
    choices: readonly T[],
  ): T | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    return oneOf(text, choices, this.#problems);
  }

  /** A list of texts under a key; with `orOne`, one text means a list of it. */
  texts(
    key: string,
    options: { readonly orOne?: boolean } = {},
  ): readonly Found<string>[] | undefined {
    const found = this.node(key);
    if (found === undefined) return undefined;
    const { value: node, path } = found;
    if (options.orOne && node.kind === "scalar" && node.value !== null) {
      const one = this.text(key);
      return one === undefined ? undefined : [one];
    }
    // A program that has nothing to list often writes null.
    if (node.kind === "scalar" && node.value === null) return [];
    if (node.kind !== "list") {
      this.#wrongKind(
        found,
        options.orOne ? "Write a text or a list of texts" : "Write a list: [a]",
      );
      return undefined;
    }
    const read: Found<string>[] = [];
    for (const [i, item] of node.items.entries()) {
      const own = `${path}[${i}]`;
      if (
        item.kind === "scalar" && typeof item.value === "string" &&
        item.value !== ""
      ) read.push({ value: item.value, at: item.at, path: own });
      else {
        this.#wrongKind(
          { value: item, at: item.at, path: own },
          quoteRemedy(item),
        );
      }
    }
    return read;
  }

  /**
   * Reports every key that is not known.
   *
   * @param hints What to write instead of keys that are no slips of ours.
   * @param severity `warning` where foreign keys are to be expected.
   */
  reportUnknown(
    known: readonly string[],
    hints: ReadonlyMap<string, string> = new Map(),
    severity: "error" | "warning" = "error",
  ): void {
    for (const [key, { keyAt }] of this.#node.entries) {
      if (known.includes(key)) continue;
      const path = below(this.path, key);
      if (severity === "warning") {
        this.#problems.warn(
          keyAt,
          path,
          `Ignored ${path}: it has no meaning here`,
          "Remove it, or leave it to the program that it is for",
        );
        continue;
      }
      this.#problems.error(
        keyAt,
        path,
        `Cannot use ${path}: there is no such key`,
        hints.get(key) ?? keyRemedy(key, known),
      );
    }
  }

  #wrongKind(found: Found<ConfigNode>, remedy: string): void {
    this.#problems.error(
      found.at,
      found.path,
      `Cannot use ${found.path}: it is ${kindOf(found.value)}`,
      remedy,
    );
  }
}

function keyRemedy(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  return near === undefined
    ? `Remove it; the keys are ${known.join(", ")}`
    : `Write ${near}`;
}

/** Checks that a text is one of a few words. */
export function oneOf<T extends string>(
  text: Found<string>,
  choices: readonly T[],
  problems: ProblemList,
): T | undefined {
  const choice = choices.find((each) => each === text.value);
  if (choice !== undefined) return choice;
  const near = nearest(text.value, choices);
  problems.error(
    text.at,
    text.path,
    `Cannot use ${text.path}: it is ${shown(text.value)}`,
    near === undefined
      ? `Write one of ${choices.join(", ")}`
      : `Write ${near} (the choices are ${choices.join(", ")})`,
  );
  return undefined;
}
