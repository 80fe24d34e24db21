/**
 * Turns YAML (and therefore JSON) into plain nodes that remember where they
 * stood, and everything that is wrong with the syntax into problems. Knows
 * nothing of what the keys mean.
 *
 * Keys are held in Maps, so `__proto__` is a key like any other; an alias is
 * converted once however often it is used, so that a file cannot grow in
 * memory by referring to itself.
 *
 * @module
 */

import {
  type Document,
  type ErrorCode,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Node,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { below, type ProblemList, shown } from "./_problems.ts";

/** A mapping: keys in the order of the file. */
export interface MapNode {
  /** Tells the kinds of nodes apart. */
  readonly kind: "map";
  /** Offset in the text. */
  readonly at: number;
  /** What is under each key. */
  readonly entries: ReadonlyMap<string, MapEntry>;
}

/** What is under one key. */
export interface MapEntry {
  /** Offset of the key. */
  readonly keyAt: number;
  /** The value. */
  readonly value: ConfigNode;
}

/** A sequence. */
export interface ListNode {
  /** Tells the kinds of nodes apart. */
  readonly kind: "list";
  /** Offset in the text. */
  readonly at: number;
  /** Its items. */
  readonly items: readonly ConfigNode[];
}

/** A single value. */
export interface ScalarNode {
  /** Tells the kinds of nodes apart. */
  readonly kind: "scalar";
  /** Offset in the text. */
  readonly at: number;
  /** The value by YAML 1.2's core schema. */
  readonly value: string | number | boolean | null;
}

/** A piece of the document and where it stands. */
export type ConfigNode = MapNode | ListNode | ScalarNode;

/** Longest text read, in UTF-16 units; a ConfigMap holds 1 MiB. */
const MAX_LENGTH = 4 * 1024 * 1024;
/** Deepest nesting; ours is 6. */
const MAX_DEPTH = 32;
/** Most uses of an anchor. */
const MAX_ALIASES = 100;

/** What to show someone whose file is empty. */
export const MINIMAL_EXAMPLE =
  "{servers: [{name: weather, url: 'http://127.0.0.1:9001/mcp'}]}";

/**
 * Reads a document. Returns nothing where the syntax is too broken to look
 * further, which is then in `problems`.
 */
export function readDocument(
  text: string,
  problems: ProblemList,
): ConfigNode | undefined {
  if (text.length > MAX_LENGTH) {
    problems.error(
      0,
      "",
      `Cannot parse the file: it has ${text.length} characters`,
      `Keep it below ${MAX_LENGTH}`,
    );
    return undefined;
  }
  const comment = /^\s*\{/.test(text) ? /^[ \t]*\/[\/*]/m.exec(text) : null;
  if (comment !== null) {
    // In YAML it would silently become a part of the next key.
    problems.error(
      comment.index + comment[0].length - 2,
      "",
      "Cannot parse the file: there is a comment, and JSON has none",
      "Remove the comments, or write YAML, where they begin with '#'",
    );
    return undefined;
  }
  // Duplicate keys are found in #map, where the path is known. Without
  // prettyErrors nothing of the text, hence no secret, is in an error.
  const document = parseDocument(text, {
    prettyErrors: false,
    uniqueKeys: false,
    schema: "core",
  });
  reportSyntax(document, problems);
  if (problems.hasErrors) return undefined;
  if (document.contents === null || isEmptyScalar(document.contents)) {
    problems.error(
      0,
      "",
      "Cannot use the file: it is empty",
      `Write at least 'servers: []', or a server: ${MINIMAL_EXAMPLE}`,
    );
    return undefined;
  }
  return new Converter(document, problems).convert(document.contents, "", 0);
}

function isEmptyScalar(node: Node): boolean {
  return isScalar(node) && node.value === null;
}

/** Our words for the library's errors: what is wrong, what to do. */
const SYNTAX: Partial<Record<ErrorCode, readonly [string, string]>> = {
  BAD_ALIAS: ["an alias has no name", "Name an anchor after the '*'"],
  BAD_DQ_ESCAPE: [
    "a quoted text has an escape that does not exist",
    "Write '\\\\' for a backslash, or use single quotes",
  ],
  BAD_INDENT: [
    "the indentation does not fit, or a bracket is not closed",
    "Indent keys of one mapping alike, with spaces, and close each [ and {",
  ],
  BAD_SCALAR_START: [
    "a value starts with a character that has a meaning in YAML",
    "Put the value in quotes",
  ],
  BLOCK_AS_IMPLICIT_KEY: [
    "a value has another ': ' in it",
    "Put the value in quotes, or begin the next key on a line of its own with the same indentation",
  ],
  BLOCK_IN_FLOW: [
    "an indented block stands inside brackets",
    "Close the bracket first, or write the inner part with brackets too",
  ],
  MISSING_CHAR: [
    "a character is missing (a quote, a comma, a ':' after a key)",
    "Complete the line, or the one before it",
  ],
  MULTILINE_IMPLICIT_KEY: [
    "a key goes on over more than one line",
    "Put key and ':' on one line, and quotes around values of several lines",
  ],
  MULTIPLE_DOCS: [
    "there is a second document after '---'",
    "Keep one document in the file",
  ],
  RESOURCE_EXHAUSTION: [
    "it is nested too deeply",
    `Nest at most ${MAX_DEPTH} levels`,
  ],
  TAB_AS_INDENT: ["a tab is used to indent", "Indent with spaces"],
  UNEXPECTED_TOKEN: [
    "something stands where nothing may stand",
    "Check quotes, commas and brackets here and on the line before",
  ],
};

/** Reports syntax errors, at most one a line: the rest follow from it. */
function reportSyntax(
  document: Document,
  problems: ProblemList,
): void {
  const seen = new Set<number>();
  for (const error of document.errors) {
    const line = problems.lineOf(error.pos[0]);
    if (seen.has(line)) continue;
    seen.add(line);
    const [message, remedy] = SYNTAX[error.code] ??
      ["it is no valid YAML", "Check this line and the one before"];
    problems.error(
      error.pos[0],
      "",
      `Cannot parse the file: ${message}`,
      remedy,
    );
  }
  for (const warning of document.warnings) {
    problems.error(
      warning.pos[0],
      "",
      "Cannot parse the file: it uses a tag or directive that has no meaning here",
      "Remove the '!tag' or '%directive'",
    );
  }
}

/** Converts one document's nodes. */
class Converter {
  readonly #document: Document;
  readonly #problems: ProblemList;
  readonly #done = new Map<Node, ConfigNode>();
  readonly #open = new Set<Node>();
  #aliases = 0;

  constructor(document: Document, problems: ProblemList) {
    this.#document = document;
    this.#problems = problems;
  }

  convert(node: Node, path: string, depth: number): ConfigNode {
    const done = this.#done.get(node);
    if (done !== undefined) return done;
    const at = node.range?.[0] ?? 0;
    if (depth > MAX_DEPTH) {
      return this.#refuse(
        at,
        path,
        "it is nested too deeply",
        `Nest at most ${MAX_DEPTH} levels`,
      );
    }
    if (isAlias(node)) return this.#alias(node.source, at, path, depth, node);
    this.#open.add(node);
    const made = this.#make(node, at, path, depth);
    this.#open.delete(node);
    this.#done.set(node, made);
    return made;
  }

  #make(node: Node, at: number, path: string, depth: number): ConfigNode {
    if (isMap(node)) return this.#map(node, at, path, depth);
    if (isSeq(node)) {
      const items = node.items.map((item, i) =>
        this.#value(item, at, `${path}[${i}]`, depth + 1)
      );
      return { kind: "list", at, items };
    }
    const value: unknown = isScalar(node) ? node.value : undefined;
    switch (typeof value) {
      case "string":
      case "number":
      case "boolean":
        return { kind: "scalar", at, value };
      default:
        return { kind: "scalar", at, value: null };
    }
  }

  #map(node: YAMLMap, at: number, path: string, depth: number): MapNode {
    const entries = new Map<string, MapEntry>();
    for (const { key, value } of node.items) {
      const keyAt = rangeStart(key) ?? at;
      const name: unknown = isScalar(key) ? key.value : undefined;
      if (typeof name !== "string") {
        this.#problems.error(
          keyAt,
          path,
          `Cannot use a key of ${path || "the file"}: it is not text`,
          "Put the key in quotes",
        );
        continue;
      }
      const own = below(path, name);
      const first = entries.get(name);
      if (first !== undefined) {
        this.#problems.error(
          keyAt,
          own,
          `Cannot use ${own}: it is there twice, first on line ${
            this.#problems.lineOf(first.keyAt)
          }`,
          "Keep one of the two",
        );
        continue;
      }
      entries.set(name, {
        keyAt,
        value: this.#value(value, keyAt, own, depth + 1),
      });
    }
    return { kind: "map", at, entries };
  }

  /** A value, or null at its key where nothing is written. */
  #value(
    value: unknown,
    keyAt: number,
    path: string,
    depth: number,
  ): ConfigNode {
    if (isMap(value) || isSeq(value) || isScalar(value) || isAlias(value)) {
      // An empty value's own place is the end of the line or beyond it.
      if (isScalar(value) && value.value === null) {
        return { kind: "scalar", at: keyAt, value: null };
      }
      return this.convert(value, path, depth);
    }
    return { kind: "scalar", at: keyAt, value: null };
  }

  #alias(
    name: string,
    at: number,
    path: string,
    depth: number,
    alias: Node,
  ): ConfigNode {
    if (++this.#aliases > MAX_ALIASES) {
      if (this.#aliases > MAX_ALIASES + 1) {
        return { kind: "scalar", at, value: null };
      }
      return this.#refuse(
        at,
        path,
        `it is alias number ${this.#aliases}`,
        `Use at most ${MAX_ALIASES} aliases`,
      );
    }
    const target = isAlias(alias) ? alias.resolve(this.#document) : undefined;
    if (target === undefined) {
      return this.#refuse(
        at,
        path,
        `there is no anchor ${shown(name)} before it`,
        `Write '&${name}' before the value that is meant, or quote the text`,
      );
    }
    if (this.#open.has(target)) {
      return this.#refuse(
        at,
        path,
        "it is an alias of what it stands in",
        "Write the value out",
      );
    }
    return this.convert(target, path, depth);
  }

  #refuse(
    at: number,
    path: string,
    state: string,
    remedy: string,
  ): ConfigNode {
    this.#problems.error(
      at,
      path,
      `Cannot use ${path || "the file"}: ${state}`,
      remedy,
    );
    return { kind: "scalar", at, value: null };
  }
}

function rangeStart(node: unknown): number | undefined {
  if (!isScalar(node) && !isMap(node) && !isSeq(node) && !isAlias(node)) {
    return undefined;
  }
  return node.range?.[0];
}
