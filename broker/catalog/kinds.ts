/**
 * The kinds of things that servers list, in one table: how each is asked for,
 * what names it, what it must have. Whoever lists, merges or shows things goes
 * by this table and knows no kind by itself.
 *
 * @see https://modelcontextprotocol.io/specification/2025-11-25/schema
 * @module
 */

import type { JsonKind } from "../../shared/jsonrpc/values.ts";
import type { NameConflict } from "../../shared/status.ts";

/** A kind; the router's catalog has a member of the same name for each. */
export type ListKind = "tools" | "prompts" | "resources" | "templates";

/** The capability that kinds belong to; its lists are announced together. */
export type ListCapability = "tools" | "prompts" | "resources";

/** Something for each kind. */
export type ByKind<T> = Readonly<Record<ListKind, T>>;

/** Members and the JSON types that they must have. */
export type MemberTypes = readonly (readonly [string, JsonKind])[];

/** What is particular to one kind. */
export interface KindRow {
  /** One such thing, in messages and in `/status`. */
  readonly noun: NameConflict["kind"];
  /** The method that lists them. */
  readonly method: string;
  /** The member of its result that is the list. */
  readonly member: string;
  /** The capability of servers that have them. */
  readonly capability: ListCapability;
  /** The member that names one of them. */
  readonly key: "name" | "uri" | "uriTemplate";
  /** Longest key that clients are shown, characters. */
  readonly maxKeyLength: number;
  /** Whether clients see the key with the server's prefix before it. */
  readonly prefixed: boolean;
  /** What one must have besides its key. */
  readonly required: MemberTypes;
  /**
   * What one may have. Clients' schemas are strict about these: a wrong type in
   * one of them makes common clients reject the whole list.
   */
  readonly optional: MemberTypes;
}

/** Longest name a client is shown (2025-11-25, tools, tool names). */
const MAX_NAME_LENGTH = 128;
/** Longest URI that the router matches; nobody could read a longer one. */
const MAX_URI_LENGTH = 8192;

const DESCRIBED: MemberTypes = [
  ["title", "string"],
  ["description", "string"],
  ["_meta", "object"],
];

/** The table. */
export const KINDS: ByKind<KindRow> = {
  tools: {
    noun: "tool",
    method: "tools/list",
    member: "tools",
    capability: "tools",
    key: "name",
    maxKeyLength: MAX_NAME_LENGTH,
    prefixed: true,
    required: [["inputSchema", "object"]],
    optional: [
      ...DESCRIBED,
      ["outputSchema", "object"],
      ["annotations", "object"],
      ["execution", "object"],
    ],
  },
  prompts: {
    noun: "prompt",
    method: "prompts/list",
    member: "prompts",
    capability: "prompts",
    key: "name",
    maxKeyLength: MAX_NAME_LENGTH,
    prefixed: true,
    required: [],
    optional: [...DESCRIBED, ["arguments", "array"]],
  },
  resources: {
    noun: "resource",
    method: "resources/list",
    member: "resources",
    capability: "resources",
    key: "uri",
    maxKeyLength: MAX_URI_LENGTH,
    prefixed: false,
    required: [["name", "string"]],
    optional: [
      ...DESCRIBED,
      ["mimeType", "string"],
      ["annotations", "object"],
      ["size", "number"],
    ],
  },
  templates: {
    noun: "template",
    method: "resources/templates/list",
    member: "resourceTemplates",
    capability: "resources",
    key: "uriTemplate",
    maxKeyLength: MAX_URI_LENGTH,
    prefixed: false,
    required: [["name", "string"]],
    optional: [
      ...DESCRIBED,
      ["mimeType", "string"],
      ["annotations", "object"],
    ],
  },
};

/** All kinds, in the order in which they are listed. */
export const LIST_KINDS: readonly ListKind[] = [
  "tools",
  "prompts",
  "resources",
  "templates",
];

/** All capabilities. */
export const LIST_CAPABILITIES: readonly ListCapability[] = [
  "tools",
  "prompts",
  "resources",
];

/** Makes something for each kind. */
export function byKind<T>(make: (kind: ListKind) => T): ByKind<T> {
  return {
    tools: make("tools"),
    prompts: make("prompts"),
    resources: make("resources"),
    templates: make("templates"),
  };
}

/** The kinds of a capability. */
export function kindsOf(capability: ListCapability): readonly ListKind[] {
  return LIST_KINDS.filter((kind) => KINDS[kind].capability === capability);
}

/** The kind that a method lists; undefined where it is no such method. */
export function kindListedBy(method: string): ListKind | undefined {
  return LIST_KINDS.find((kind) => KINDS[kind].method === method);
}

/** The notification that the lists of a capability have changed. */
export function changeNotification(capability: ListCapability): string {
  return `notifications/${capability}/list_changed`;
}

/** The kinds that a notification says have changed; none for any other. */
export function kindsChangedBy(notification: string): readonly ListKind[] {
  return LIST_KINDS.filter((kind) =>
    changeNotification(KINDS[kind].capability) === notification
  );
}

/** Nothing of any kind. */
export const NO_ITEMS: ByKind<readonly never[]> = byKind(() => []);
