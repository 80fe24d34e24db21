/**
 * Decides where a secret comes from, as it is written in the configuration: a
 * file, an environment variable, text with variables in it, or the text
 * itself. Reads no secret, and repeats none in a message.
 *
 * @module
 */

import type { MapNode } from "./_document.ts";
import { type Found, kindOf, MapReader } from "./_map_reader.ts";
import { type ProblemList, shown } from "./_problems.ts";
import type { ConfigNode } from "./_document.ts";
import type { SecretSource, TemplatePart } from "./model.ts";

/** What may be in the value of an HTTP header: printable ASCII, no blank ends. */
const HEADER_VALUE = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/;

/** Tells whether a text can be the value of an HTTP header as it is. */
export function isHeaderValue(text: string): boolean {
  return HEADER_VALUE.test(text);
}

/**
 * Tells whether a name is a file below the secrets directory: relative, no
 * step upwards, no backslash or control character.
 */
export function isSecretFileName(name: string): boolean {
  // deno-lint-ignore no-control-regex -- control characters are the point
  if (name.length > 255 || /[\\\u0000-\u001f\u007f]/.test(name)) return false;
  return name.split("/").every((step) =>
    step !== "" && step !== "." && step !== ".."
  );
}

/** Tells whether a name is that of an environment variable. */
export function isVariableName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name);
}

/** How a value may be written besides `{file}` and `{env}`. */
export interface LiteralRule {
  /** Reads text; returns nothing where it reported a problem. */
  readonly literal: (text: Found<string>) => SecretSource | undefined;
}

/** Reads `{file: NAME}`, `{env: NAME}` or text. */
export function readSecretSource(
  found: Found<ConfigNode>,
  rule: LiteralRule,
  problems: ProblemList,
): SecretSource | undefined {
  const { value: node, at, path } = found;
  if (node.kind === "map") return readReference(node, path, problems);
  if (
    node.kind === "scalar" && typeof node.value === "string" &&
    node.value !== ""
  ) return rule.literal({ value: node.value, at, path });
  problems.error(
    at,
    path,
    `Cannot use ${path}: it is ${kindOf(node)}`,
    "Write {file: NAME}, {env: NAME} or text in quotes",
  );
  return undefined;
}

function readReference(
  node: MapNode,
  path: string,
  problems: ProblemList,
): SecretSource | undefined {
  const reader = new MapReader(node, path, problems);
  reader.reportUnknown(["file", "env"]);
  if (reader.has("file") === reader.has("env")) {
    problems.error(
      node.at,
      path,
      `Cannot use ${path}: it has ${
        reader.has("file") ? "both file and env" : "neither file nor env"
      }`,
      "Write exactly one: {file: NAME} or {env: NAME}",
    );
    return undefined;
  }
  const file = reader.text("file");
  if (file !== undefined) {
    if (isSecretFileName(file.value)) return { kind: "file", name: file.value };
    problems.error(
      file.at,
      file.path,
      `Cannot use ${file.path}: ${
        shown(file.value)
      } is no file below the secrets directory`,
      "Write a relative name without '..', such as weather-token",
    );
  }
  const env = reader.text("env");
  if (env !== undefined) {
    if (isVariableName(env.value)) return { kind: "env", name: env.value };
    // The value is not shown: a token pasted here is a common slip.
    problems.error(
      env.at,
      env.path,
      `Cannot use ${env.path}: it is not the name of an environment variable`,
      "Write a name such as WEATHER_TOKEN, without '$'",
    );
  }
  return undefined;
}

/**
 * `${NAME}`, `${env:NAME}`, either with `:-TEXT` for while it is unset; the
 * forms that MCP clients know in their mcp.json.
 */
const REFERENCE = /\$\{([^{}]*)\}/g;
const VARIABLE = /^(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/** Text with its variables found, or the reference that means nothing. */
export type ParsedTemplate =
  | { readonly ok: true; readonly source: SecretSource }
  | { readonly ok: false; readonly reference: string };

/**
 * Finds the environment variables in a text.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { parseTemplate } from "./_secret_source.ts";
 *
 * assertEquals(parseTemplate("${TOKEN}"), {
 *   ok: true,
 *   source: { kind: "env", name: "TOKEN" },
 * });
 * ```
 */
export function parseTemplate(text: string): ParsedTemplate {
  const parts: TemplatePart[] = [];
  let end = 0;
  for (const match of text.matchAll(REFERENCE)) {
    const variable = VARIABLE.exec(match[1] ?? "");
    const name = variable?.[1];
    if (name === undefined) return { ok: false, reference: match[0] };
    if (match.index > end) {
      parts.push({ kind: "text", text: text.slice(end, match.index) });
    }
    const fallback = variable?.[2];
    parts.push({
      kind: "env",
      name,
      ...(fallback === undefined ? {} : { fallback }),
    });
    end = match.index + match[0].length;
  }
  if (end < text.length) parts.push({ kind: "text", text: text.slice(end) });
  const [first] = parts;
  if (parts.length === 1 && first?.kind === "env" && !("fallback" in first)) {
    return { ok: true, source: { kind: "env", name: first.name } };
  }
  if (parts.some((part) => part.kind === "env")) {
    return { ok: true, source: { kind: "template", parts } };
  }
  return { ok: true, source: { kind: "literal", value: text } };
}
