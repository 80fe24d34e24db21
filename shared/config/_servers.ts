/**
 * Reads servers, in both forms of the file, and checks them against each
 * other. One entry in `servers:` and one in `mcpServers:` are read by the same
 * code; the forms differ in where the name stands, what a prefix is by
 * default, and how strict we are with keys of other programs.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { defaultHostname } from "../names.ts";
import type { ConfigNode, MapNode } from "./_document.ts";
import { type Found, kindOf, MapReader, oneOf } from "./_map_reader.ts";
import { below, type ProblemList, shown } from "./_problems.ts";
import {
  isHeaderValue,
  parseTemplate,
  readSecretSource,
} from "./_secret_source.ts";
import {
  checkCallerLists,
  checkHostname,
  checkName,
  checkPrefix,
  checkUrl,
  isSecretName,
  prefixFromName,
  ruleForHeader,
} from "./_server_rules.ts";
import type {
  CredentialUse,
  SecretSource,
  ServerConfig,
  ServerHeader,
} from "./model.ts";

/** Keys of a server that both forms have. */
const SHARED_KEYS = [
  "url",
  "hostname",
  "prefix",
  "state",
  "credential",
  "credentialFor",
  "passthrough",
  "headers",
  "caCert",
  "era",
  "initialization",
  "userSpecificList",
  "category",
  "hint",
  "tags",
] as const;

/** Keys of an entry of `servers:`. */
const SERVER_KEYS: readonly string[] = ["name", ...SHARED_KEYS];

/** Keys of an entry of `mcpServers:` that say something to us. */
const MCP_KEYS: readonly string[] = [
  "type",
  "transport",
  "description",
  "disabled",
  ...SHARED_KEYS,
];

/** Words of other programs' files, and what they are called here. */
const SERVER_HINTS: ReadonlyMap<string, string> = new Map([
  ["enabled", "Write state: Enabled or state: Disabled"],
  ["disabled", "Write state: Disabled"],
  ["toolPrefix", "Write prefix"],
  ["auth", "Write credential: {file: NAME}"],
  ["token", "Write credential: {file: NAME}"],
  ["authorization", "Write credential: {file: NAME}"],
  ["endpoint", "Write url"],
  ["uri", "Write url"],
  ["address", "Write url"],
  ["host", "Write hostname"],
  ["description", "Write hint"],
  ["ca", "Write caCert"],
  ["path", "Write the path as a part of url"],
]);

/** A server that was read, and where what other servers may clash with stood. */
interface Draft {
  readonly server: ServerConfig;
  readonly name: Found<string>;
  readonly hostname: Found<string>;
  /** The hostname was made from the name. */
  readonly madeHostname: boolean;
  readonly prefix: Found<string>;
}

/** How entries of a form are read. */
interface Form {
  /** The value of `prefix` where it is left out. */
  readonly defaultPrefix: (name: string) => string;
  readonly defaultUses: readonly CredentialUse[];
  readonly defaultHint?: string;
  readonly defaultState: ServerConfig["state"];
}

/** Reads `servers:`, a list. */
export function readServerList(
  found: Found<ConfigNode>,
  problems: ProblemList,
): readonly ServerConfig[] {
  const { value: node, at, path } = found;
  if (node.kind !== "list") {
    problems.error(
      at,
      path,
      `Cannot use ${path}: it is ${kindOf(node)}`,
      node.kind === "map"
        ? "Write a list, each item with a name; or call the mapping mcpServers if it comes from an MCP client"
        : "Write a list of servers, [] for none",
    );
    return [];
  }
  const drafts: Draft[] = [];
  for (const [i, item] of node.items.entries()) {
    const own = `${path}[${i}]`;
    if (item.kind !== "map") {
      reportNoMapping(item, own, problems);
      continue;
    }
    const reader = new MapReader(item, own, problems);
    reader.reportUnknown(SERVER_KEYS, SERVER_HINTS);
    const name = reader.text("name") ?? missing(reader, "name", problems);
    const draft = readServer(reader, name, {
      defaultPrefix: () => "",
      defaultUses: ["discovery"],
      defaultState: "Enabled",
    }, problems);
    if (draft !== undefined) drafts.push(draft);
  }
  return checkTogether(drafts, problems);
}

/** Reads `mcpServers:`, a mapping of names, as MCP clients write it. */
export function readMcpServers(
  found: Found<ConfigNode>,
  problems: ProblemList,
): readonly ServerConfig[] {
  const { value: node, at, path } = found;
  if (node.kind !== "map") {
    problems.error(
      at,
      path,
      `Cannot use ${path}: it is ${kindOf(node)}`,
      'Write a mapping of names: {"weather": {"url": "http://127.0.0.1:9001/mcp"}}',
    );
    return [];
  }
  const entries: { name: Found<string>; reader: MapReader }[] = [];
  for (const [key, { keyAt, value }] of node.entries) {
    const own = below(path, key);
    if (value.kind !== "map") {
      reportNoMapping(value, own, problems);
      continue;
    }
    const reader = new MapReader(value, own, problems);
    if (skipped(value, reader, problems)) continue;
    entries.push({ name: { value: key, at: keyAt, path: own }, reader });
  }
  const alone = entries.length === 1;
  const drafts: Draft[] = [];
  for (const { name, reader } of entries) {
    reader.reportUnknown(MCP_KEYS, undefined, "warning");
    const description = reader.text("description", { orEmpty: true })?.value;
    const draft = readServer(reader, name, {
      defaultPrefix: alone ? () => "" : prefixFromName,
      defaultUses: ["discovery", "calls"],
      defaultState: reader.flag("disabled") ? "Disabled" : "Enabled",
      ...(description ? { defaultHint: description } : {}),
    }, problems);
    if (draft !== undefined) drafts.push(draft);
  }
  return checkTogether(drafts, problems);
}

const HTTP_TYPES = ["http", "streamable-http", "streamableHttp"] as const;

/** Leaves out, with a warning, what the gateway cannot reach over HTTP. */
function skipped(
  node: MapNode,
  reader: MapReader,
  problems: ProblemList,
): boolean {
  const skip = (key: string, state: string, remedy: string): true => {
    problems.warn(
      reader.keyAt(key),
      reader.path,
      `Skipped ${reader.path}: ${state}`,
      remedy,
    );
    return true;
  };
  const typeKey = node.entries.has("type") ? "type" : "transport";
  const type = reader.text(typeKey);
  if (node.entries.has("command") || type?.value === "stdio") {
    return skip(
      node.entries.has("command") ? "command" : typeKey,
      "it is started as a command (stdio), and the gateway starts none",
      "Run the server with its streamable HTTP transport and give its url",
    );
  }
  if (type?.value === "sse") {
    return skip(
      typeKey,
      "it uses the old HTTP+SSE transport, and the gateway needs streamable HTTP",
      "Give the server's streamable HTTP url and type http",
    );
  }
  if (type !== undefined) oneOf(type, HTTP_TYPES, problems);
  return false;
}

function reportNoMapping(
  node: ConfigNode,
  path: string,
  problems: ProblemList,
): void {
  problems.error(
    node.at,
    path,
    `Cannot use ${path}: it is ${kindOf(node)}`,
    "Write a mapping with a url at least",
  );
}

/** Reports a key that must be there, unless something wrong stands there. */
function missing(
  reader: MapReader,
  key: "name" | "url",
  problems: ProblemList,
): undefined {
  if (reader.has(key)) return;
  const path = below(reader.path, key);
  problems.error(
    reader.at,
    path,
    `Cannot use ${reader.path}: ${key} is missing`,
    key === "name"
      ? "Add a unique name, such as name: weather"
      : "Add where the server listens, such as url: http://127.0.0.1:9001/mcp",
  );
}

/** Reads one server. What it returns is only used if nothing was reported. */
function readServer(
  reader: MapReader,
  nameText: Found<string> | undefined,
  form: Form,
  problems: ProblemList,
): Draft | undefined {
  const name = nameText && checkName(nameText, problems);
  const urlText = reader.text("url") ?? missing(reader, "url", problems);
  const url = urlText && checkUrl(urlText, problems);
  const hostnameText = reader.text("hostname");
  const hostname = hostnameText && checkHostname(hostnameText, problems);
  const prefixText = reader.text("prefix", { orEmpty: true });
  const prefix = prefixText && checkPrefix(prefixText, problems);
  const headers = readHeaders(reader, problems);
  const passthrough = reader.flag("passthrough") ?? false;
  const caCert = readCaCert(reader, url, problems);
  const rest = {
    state: reader.choice("state", ["Enabled", "Disabled"]) ?? form.defaultState,
    credentialFor: readUses(reader, headers, passthrough, form, problems),
    passthrough,
    era: reader.choice("era", ["auto", "session", "stateless"]) ?? "auto",
    initialization: reader.choice("initialization", ["direct", "envoy"]) ??
      "direct",
    userSpecificList: reader.flag("userSpecificList") ?? false,
    category: texts(reader, "category"),
    tags: texts(reader, "tags"),
  } as const;
  reportPending(reader, rest, problems);
  const hint = reader.text("hint", { orEmpty: true })?.value ??
    form.defaultHint;
  if (nameText === undefined || name === undefined) return undefined;

  const server: ServerConfig = {
    name,
    url: url ?? "",
    hostname: hostname ?? defaultHostname(name),
    prefix: prefix ?? form.defaultPrefix(name),
    headers,
    ...rest,
    ...(caCert ? { caCert } : {}),
    ...(hint ? { hint } : {}),
    fingerprint: shortHash(url ?? ""),
  };
  checkCallerLists(reader, server, prefixText, problems);
  return {
    server,
    name: nameText,
    hostname: { ...(hostnameText ?? nameText), value: server.hostname },
    madeHostname: hostnameText === undefined,
    prefix: { ...(prefixText ?? nameText), value: server.prefix },
  };
}

/** What is understood and nothing acts on yet is said, never just accepted. */
function reportPending(
  reader: MapReader,
  server: Pick<ServerConfig, "initialization">,
  problems: ProblemList,
): void {
  const pending = [
    {
      key: "initialization",
      set: server.initialization === "envoy",
      instead: "sessions are opened directly",
    },
  ];
  for (const { key, instead } of pending.filter(({ set }) => set)) {
    const path = below(reader.path, key);
    problems.warn(
      reader.keyAt(key),
      path,
      `Accepted ${path}, not acted on yet: ${instead}`,
      "Do not rely on it in this version",
    );
  }
}

function texts(reader: MapReader, key: string): readonly string[] {
  return (reader.texts(key, { orOne: true }) ?? []).map(({ value }) => value);
}

/** Reads `credential` and `headers` into the headers that we set. */
function readHeaders(
  reader: MapReader,
  problems: ProblemList,
): readonly ServerHeader[] {
  const headers: ServerHeader[] = [];
  const credential = reader.node("credential");
  if (credential !== undefined) {
    const value = readSecretSource(credential, {
      literal: (text) => literalCredential(text, problems),
    }, problems);
    if (value !== undefined) headers.push({ name: "authorization", value });
  }
  const written = reader.node("headers");
  if (written === undefined) return headers;
  if (written.value.kind !== "map") {
    problems.error(
      written.at,
      written.path,
      `Cannot use ${written.path}: it is ${kindOf(written.value)}`,
      "Write a mapping of header names: {x-api-key: {file: NAME}}",
    );
    return headers;
  }
  const seen = new Set(credential === undefined ? [] : ["authorization"]);
  for (const [key, { keyAt, value }] of written.value.entries) {
    const header = readHeader(
      key,
      { value, at: keyAt, path: below(written.path, key) },
      problems,
    );
    if (header === undefined) continue;
    if (seen.has(header.name)) {
      problems.error(
        keyAt,
        below(written.path, key),
        `Cannot use ${
          below(written.path, key)
        }: the header ${header.name} is set twice`,
        header.name === "authorization" && credential !== undefined
          ? "Keep this or credential"
          : "Keep one; upper and lower case make no difference",
      );
      continue;
    }
    seen.add(header.name);
    headers.push(header);
  }
  return headers;
}

/** Reads one header: `found` is its value, at the place of its name. */
function readHeader(
  key: string,
  found: Found<ConfigNode>,
  problems: ProblemList,
): ServerHeader | undefined {
  const name = key.toLowerCase();
  const { path, at } = found;
  const rule = ruleForHeader(name);
  switch (rule) {
    case "set anyway":
      problems.warn(
        at,
        path,
        `Ignored ${path}: the gateway sets this header itself`,
        "Remove it",
      );
      return undefined;
    case "not ours to set":
    case "no name":
      problems.error(
        at,
        path,
        `Cannot use ${path}: ${
          rule === "no name"
            ? "it is no header name"
            : "HTTP, MCP or the gateway itself uses this header"
        }`,
        rule === "no name" ? "Use letters, digits and -" : "Remove it",
      );
      return undefined;
    case "set": {
      const value = readSecretSource({ ...found, at: found.value.at }, {
        literal: (text) => literalHeader(name, text, problems),
      }, problems);
      return value && { name, value };
    }
    default:
      return rule satisfies never;
  }
}

/** A header's value as text, in which variables are filled in. */
function literalHeader(
  name: string,
  text: Found<string>,
  problems: ProblemList,
): SecretSource | undefined {
  const { at, path } = text;
  const template = parseTemplate(text.value);
  if (!template.ok) {
    problems.error(
      at,
      path,
      `Cannot use ${path}: it refers to something other than a variable`,
      "Write ${NAME} for an environment variable; the gateway cannot ask for input",
    );
    return undefined;
  }
  const { source } = template;
  if (source.kind === "literal") {
    if (!sendable(text, problems)) return undefined;
    if (isSecretName(name)) {
      problems.warn(
        at,
        path,
        `${path} is a secret written into the file`,
        "Write {file: NAME}, or ${NAME} for an environment variable",
      );
    }
  }
  return source;
}

/** A credential as text: the whole value of `Authorization`, as it is. */
function literalCredential(
  text: Found<string>,
  problems: ProblemList,
): SecretSource | undefined {
  const { at, path, value } = text;
  if (!sendable(text, problems)) return undefined;
  problems.warn(
    at,
    path,
    `${path} is a secret written into the file`,
    value.includes("${")
      ? "Write {env: NAME}: variables are not filled in here"
      : "Write {file: NAME}, and put the secret into that file",
  );
  if (!value.includes(" ")) {
    problems.warn(
      at,
      path,
      `${path} has no scheme: it is the whole value of Authorization`,
      "Put 'Bearer ' before it unless the server wants it bare",
    );
  }
  return { kind: "literal", value };
}

/** Reports text that cannot be a header's value. */
function sendable(text: Found<string>, problems: ProblemList): boolean {
  if (isHeaderValue(text.value)) return true;
  problems.error(
    text.at,
    text.path,
    `Cannot use ${text.path}: it has line breaks, blanks at an end or characters that a header cannot carry`,
    "Write it on one line, in printable ASCII",
  );
  return false;
}

/** Reads `credentialFor`, and what speaks against it. */
function readUses(
  reader: MapReader,
  headers: readonly ServerHeader[],
  passthrough: boolean,
  form: Form,
  problems: ProblemList,
): readonly CredentialUse[] {
  const uses: CredentialUse[] = [];
  const read = reader.texts("credentialFor", { orOne: true });
  for (const text of read ?? []) {
    const use = oneOf(text, ["discovery", "calls"], problems);
    if (use !== undefined && !uses.includes(use)) uses.push(use);
  }
  const inForce = read === undefined ? form.defaultUses : uses;
  const path = below(reader.path, "credentialFor");
  const nothingSet = !reader.has("credential") && !reader.has("headers");
  if (read !== undefined && nothingSet) {
    problems.warn(
      reader.keyAt("credentialFor"),
      path,
      `${path} has no effect: there is neither credential nor headers`,
      "Add credential, or remove credentialFor",
    );
  }
  const sets = headers.some(({ name }) => name === "authorization");
  if (passthrough && sets && inForce.includes("calls")) {
    problems.error(
      reader.keyAt("passthrough"),
      below(reader.path, "passthrough"),
      `Cannot use ${
        below(reader.path, "passthrough")
      }: the server's own credential is set on calls too`,
      "Remove passthrough, or write credentialFor: [discovery]",
    );
  }
  // In one order, so that [calls, discovery] is the same configuration.
  return (["discovery", "calls"] as const).filter((use) =>
    inForce.includes(use)
  );
}

function readCaCert(
  reader: MapReader,
  url: string | undefined,
  problems: ProblemList,
): SecretSource | undefined {
  const found = reader.node("caCert");
  if (found === undefined) return undefined;
  const { path } = found;
  const source = readSecretSource(found, {
    literal: (text) => {
      if (text.value.includes("-----BEGIN CERTIFICATE-----")) {
        return { kind: "literal", value: text.value };
      }
      problems.error(
        text.at,
        path,
        `Cannot use ${path}: it is text without a PEM certificate`,
        "Write {file: NAME}, or the PEM text itself",
      );
      return undefined;
    },
  }, problems);
  if (url?.startsWith("http:")) {
    problems.warn(
      reader.keyAt("caCert"),
      path,
      `${path} has no effect: the url is http`,
      "Write https in url, or remove caCert",
    );
  }
  return source;
}

/** Checks what must differ from server to server. */
function checkTogether(
  drafts: readonly Draft[],
  problems: ProblemList,
): readonly ServerConfig[] {
  const names = new Map<string, Draft>();
  const hostnames = new Map<string, Draft>();
  const prefixes = new Map<string, Draft>();
  for (const draft of drafts) {
    const { name, hostname, prefix } = draft;
    const namesake = names.get(name.value);
    if (namesake !== undefined) {
      problems.error(
        name.at,
        name.path,
        `Cannot use ${name.path}: ${
          shown(name.value)
        } is also the name on line ${problems.lineOf(namesake.name.at)}`,
        "Give each server a name of its own",
      );
      continue; // Its hostname and prefix would clash for the same reason.
    }
    names.set(name.value, draft);
    reportSame(draft, hostnames.get(hostname.value), problems);
    if (!hostnames.has(hostname.value)) hostnames.set(hostname.value, draft);
    const other = prefixes.get(prefix.value);
    if (other !== undefined && prefix.value !== "") {
      problems.error(
        prefix.at,
        prefix.path,
        `Cannot use ${prefix.path}: ${
          shown(prefix.value)
        } is also the prefix of ${shown(other.name.value)} on line ${
          problems.lineOf(other.prefix.at)
        }`,
        "Give each server a prefix of its own, or none",
      );
    }
    if (other === undefined) prefixes.set(prefix.value, draft);
  }
  return drafts.map(({ server }) => server);
}

/** Reports two servers that Envoy could not tell apart. */
function reportSame(
  draft: Draft,
  other: Draft | undefined,
  problems: ProblemList,
): void {
  if (other === undefined) return;
  const { hostname, name } = draft;
  const made = draft.madeHostname ? ", which is made from its name," : "";
  problems.error(
    hostname.at,
    hostname.path,
    `Cannot use ${hostname.path}: the hostname ${hostname.value} of ${
      shown(name.value)
    }${made} is also that of ${shown(other.name.value)} on line ${
      problems.lineOf(other.hostname.at)
    }`,
    "Give one of them another hostname",
  );
}

/** First 12 hexadecimal digits of a text's SHA-256. */
export function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
