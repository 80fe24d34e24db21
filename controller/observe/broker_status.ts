/**
 * Reads what a broker's `/status` answers: as much of it as conditions are
 * decided by. Takes whatever comes. Pure.
 *
 * @module
 */

import type {
  NameConflict,
  ServerStatus,
  Status,
  VirtualServerStatus,
} from "../../shared/status.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Longest text that is taken over into an object's status. */
const MAX_TEXT = 2_000;

/** Reads a broker's status; nothing where it is none. */
export function readBrokerStatus(value: unknown): Status | undefined {
  const status = fields(value);
  if (typeof status?.ready !== "boolean" || !Array.isArray(status.servers)) {
    return undefined;
  }
  const { config } = status;
  return {
    version: text(status.version),
    ...(typeof config === "string" ? { config } : {}),
    configProblems: texts(status.configProblems),
    ready: status.ready,
    servers: objects(status.servers).map(readServer),
    virtualServers: objects(status.virtualServers).map(readVirtualServer),
    conflicts: objects(status.conflicts).map(readConflict),
  };
}

function readServer(one: Fields): ServerStatus {
  const { era, revision, prompts, resources, lastError } = one;
  return {
    name: text(one.name),
    url: text(one.url),
    hostname: text(one.hostname),
    prefix: text(one.prefix),
    // What it means is decided where it is looked at, an unknown one included.
    state: text(one.state) as ServerStatus["state"],
    since: text(one.since),
    ...(era === "session" || era === "stateless" ? { era } : {}),
    ...(typeof revision === "string" ? { revision } : {}),
    tools: count(one.tools),
    ...(typeof prompts === "number" ? { prompts: count(prompts) } : {}),
    ...(typeof resources === "number" ? { resources: count(resources) } : {}),
    ...(typeof lastError === "string" ? { lastError: text(lastError) } : {}),
    problems: texts(one.problems),
  };
}

function readVirtualServer(one: Fields): VirtualServerStatus {
  return {
    name: text(one.name),
    tools: count(one.tools),
    prompts: count(one.prompts),
    problems: texts(one.problems),
  };
}

function readConflict(one: Fields): NameConflict {
  return {
    kind: text(one.kind) as NameConflict["kind"],
    name: text(one.name),
    kept: text(one.kept),
    hidden: text(one.hidden),
  };
}

function fields(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null
    ? value as Fields
    : undefined;
}

function objects(value: unknown): readonly Fields[] {
  if (!Array.isArray(value)) return [];
  return value.map(fields).filter((one) => one !== undefined);
}

function text(value: unknown): string {
  return typeof value === "string" ? value.slice(0, MAX_TEXT) : "";
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(text) : [];
}

/** What fits in the integers of our custom resources. */
function count(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value)
    ? Math.min(Math.max(value, 0), 2 ** 31 - 1)
    : 0;
}
