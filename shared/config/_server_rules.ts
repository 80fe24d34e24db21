/**
 * The rules that a server's single values keep: names, URLs, hostnames,
 * prefixes, headers. Each takes a text and returns what it is good for, or
 * reports why it is not. Rules between servers are in `_servers.ts`.
 *
 * @module
 */

import { isInternalHeader, RESERVED_SERVER_NAMES } from "../headers.ts";
import type { Found, MapReader } from "./_map_reader.ts";
import { below, type ProblemList, shown } from "./_problems.ts";

/** Longest server name: a header value and a part of file names. */
const MAX_NAME = 128;
/** Longest prefix: tool names have 128 characters in all (2025-11-25, tools). */
export const MAX_PREFIX = 64;

/** Checks a server's name, which becomes the value of a header. */
export function checkName(
  name: Found<string>,
  problems: ProblemList,
): string | undefined {
  const refuse = (state: string, remedy: string): undefined => {
    problems.error(
      name.at,
      name.path,
      `Cannot use ${name.path}: ${state}`,
      remedy,
    );
  };
  if (RESERVED_SERVER_NAMES.includes(name.value.toLowerCase())) {
    return refuse(
      `${shown(name.value)} is a name of the gateway's own`,
      "Choose another name",
    );
  }
  if (name.value.length > MAX_NAME) {
    return refuse(
      `it has ${name.value.length} characters`,
      `Use at most ${MAX_NAME}`,
    );
  }
  if (!/^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(name.value)) {
    return refuse(
      `${shown(name.value)} has characters that a header cannot carry`,
      "Use letters, digits and - _ . / only",
    );
  }
  return name.value;
}

/** Checks a server's URL; returns it in its canonical spelling. */
export function checkUrl(
  url: Found<string>,
  problems: ProblemList,
): string | undefined {
  const refuse = (state: string, remedy: string): undefined => {
    problems.error(
      url.at,
      url.path,
      `Cannot use ${url.path}: ${state}`,
      remedy,
    );
  };
  if (url.value.includes("${")) {
    return refuse(
      "variables are known in headers only",
      "Write the URL out, or have it filled in before the gateway reads it",
    );
  }
  // URL is lenient where Envoy is not: it drops tabs and turns \ into /.
  // deno-lint-ignore no-control-regex -- control characters are the point
  const odd = /[\u0000-\u0020\u007f\\]/.test(url.value);
  const parsed = odd || !/^https?:\/\//i.test(url.value)
    ? null
    : URL.parse(url.value);
  if (parsed === null) {
    return refuse(
      `${shownUrl(url.value)} is no absolute http or https URL`,
      "Write it whole: http://127.0.0.1:9001/mcp",
    );
  }
  if (parsed.username !== "" || parsed.password !== "") {
    return refuse(
      "it has a user name or password in it",
      "Move it to credential: {file: NAME}",
    );
  }
  if (url.value.includes("#")) {
    return refuse("it has a fragment", "Remove '#' and what follows");
  }
  for (const key of parsed.searchParams.keys()) {
    if (!isSecretName(key)) continue;
    problems.warn(
      url.at,
      url.path,
      `${url.path} seems to have a secret in its query`,
      "Send it in a header if the server can: URLs are shown in status and logs",
    );
    break;
  }
  return parsed.href;
}

/** A URL for a message: without what may be secret. */
function shownUrl(url: string): string {
  return shown(url.replace(/[?#].*$/s, "?…").replace(/^(.*\/\/).*@/s, "$1…@"));
}

/** Tells whether a header or query key by that name usually holds a secret. */
export function isSecretName(name: string): boolean {
  return /auth|key|token|secret|password|cookie|credential/i.test(name);
}

/** Checks a hostname; returns it in lower case. */
export function checkHostname(
  hostname: Found<string>,
  problems: ProblemList,
): string | undefined {
  const name = hostname.value.toLowerCase();
  const labels = name.split(".");
  const valid = name.length <= 253 &&
    labels.every((label) =>
      /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(label)
    ) &&
    !/^[0-9]+$/.test(labels.at(-1) ?? "");
  if (valid) return name;
  problems.error(
    hostname.at,
    hostname.path,
    `Cannot use ${hostname.path}: ${shown(hostname.value)} is no DNS name`,
    "Write a name such as weather.mcp.local, without scheme, port or path; or leave it out",
  );
  return undefined;
}

/** Checks a prefix, which becomes the beginning of tool names. */
export function checkPrefix(
  prefix: Found<string>,
  problems: ProblemList,
): string | undefined {
  const refuse = (state: string, remedy: string): undefined => {
    problems.error(
      prefix.at,
      prefix.path,
      `Cannot use ${prefix.path}: ${state}`,
      remedy,
    );
  };
  if (!/^[A-Za-z0-9_.\/-]*$/.test(prefix.value)) {
    return refuse(
      `${shown(prefix.value)} has characters that tool names cannot have`,
      "Use letters, digits and _ - . / only",
    );
  }
  if (prefix.value.length > MAX_PREFIX) {
    return refuse(
      `it has ${prefix.value.length} characters`,
      `Use at most ${MAX_PREFIX}, better 16: clients limit the whole name`,
    );
  }
  return prefix.value;
}

/**
 * Checks that a server whose list differs by caller has a prefix: nobody else
 * could say whose a name is that only some callers see.
 *
 * @param written The prefix as it was written; reported already if it is wrong.
 */
export function checkCallerLists(
  reader: MapReader,
  server: { readonly userSpecificList: boolean; readonly prefix: string },
  written: Found<string> | undefined,
  problems: ProblemList,
): void {
  if (!server.userSpecificList || server.prefix !== "") return;
  if (written !== undefined && written.value !== "") return;
  const path = below(reader.path, "userSpecificList");
  problems.error(
    reader.keyAt("userSpecificList"),
    path,
    `Cannot use ${path}: the server has no prefix, by which calls of what only some callers see find it`,
    "Add a prefix of its own, such as prefix: weather_",
  );
}

/** Makes the prefix of a server in the `mcpServers` form. */
export function prefixFromName(name: string): string {
  const fitting = name.replaceAll(/[^A-Za-z0-9_.\/-]/g, "_");
  return `${fitting.slice(0, MAX_PREFIX - 1)}_`;
}

/** Headers that the gateway or HTTP itself sets on every request. */
const SET_ANYWAY = new Set([
  "accept",
  "accept-encoding",
  "cache-control",
  "content-type",
  "user-agent",
]);

/** Headers that change who is asked, what for, or how the message ends. */
const NEVER_SET = new Set([
  "connection",
  "content-encoding",
  "content-length",
  "expect",
  "host",
  "keep-alive",
  "last-event-id",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What becomes of a header by that name. */
export type HeaderRule = "set" | "set anyway" | "not ours to set" | "no name";

/** Decides what becomes of a configured header; `name` is in lower case. */
export function ruleForHeader(name: string): HeaderRule {
  if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)) return "no name";
  if (SET_ANYWAY.has(name)) return "set anyway";
  if (
    NEVER_SET.has(name) || isInternalHeader(name) || name.startsWith("mcp-") ||
    name.startsWith("x-envoy-")
  ) return "not ours to set";
  return "set";
}
