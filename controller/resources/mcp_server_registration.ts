/**
 * MCPServerRegistration: a server behind the gateway, the route that leads to
 * it, and how it is shown. Pure.
 *
 * @module
 */

import { type Condition, readStatus } from "./condition.ts";
import type { Fields } from "./fields.ts";
import type { Finding } from "./finding.ts";
import { GATEWAY_GROUP } from "./groups.ts";
import type { Meta, ObjectName } from "./meta.ts";

/** An entry of a Secret in the object's own namespace. */
export interface SecretKeyRef {
  /** Name of the Secret. */
  readonly name: string;
  /** Its entry. */
  readonly key: string;
}

/** An MCPServerRegistration. */
export interface McpServerRegistration {
  /** Tells the kinds of resources apart. */
  readonly kind: "MCPServerRegistration";
  /** Its metadata. */
  readonly meta: Meta;
  /** The route that leads to the server. */
  readonly target: ObjectName & {
    /** API group. */
    readonly group: string;
    /** Kind. */
    readonly kind: string;
  };
  /** Put before the names of its tools; "" for none. */
  readonly prefix: string;
  /** Where on the server MCP is spoken. */
  readonly path: string;
  /** The credential that its lists are read with. */
  readonly credential?: SecretKeyRef;
  /** The certificates that the server's own is checked against. */
  readonly caCert?: SecretKeyRef;
  /** Whether it is in use. */
  readonly state: "Enabled" | "Disabled";
  /** Users are asked for tokens of their own. */
  readonly tokenUrlElicitation: boolean;
  /** Its lists differ by caller. */
  readonly userSpecificList: boolean;
  /** Free-form classification. */
  readonly category: readonly string[];
  /** A sentence on when to use the server. */
  readonly hint: string;
  /** Free-form labels. */
  readonly tags: readonly string[];
  /** What its status says now. */
  readonly status: unknown;
  /** Conditions of its status. */
  readonly conditions: readonly Condition[];
  /** What cannot be used. */
  readonly findings: readonly Finding[];
}

/** What a prefix may consist of: the beginning of tool names. */
const PREFIX = /^[A-Za-z0-9_.\/-]{0,64}$/;
/** A path of RFC 3986, section 3.3, so that every program reads it alike. */
const PATH = /^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@\/]|%[0-9A-Fa-f]{2}){0,1023}$/;

/** Reads an MCPServerRegistration. */
export function readRegistration(
  object: Fields,
  meta: Meta,
  findings: Finding[],
): McpServerRegistration {
  const spec = object.child("spec");
  if (spec === undefined) object.report("spec", "it is missing", "Add it");
  const target = spec?.child("targetRef");
  if (spec !== undefined && target === undefined) {
    spec.report("targetRef", "it is missing", "Name the HTTPRoute");
  }
  const credential = spec && readKeyRef(spec, "credentialRef", "token");
  const caCert = spec && readKeyRef(spec, "caCertSecretRef", "ca.crt");
  const prefix = spec?.text("prefix") ?? "";
  if (!PREFIX.test(prefix)) {
    spec?.report(
      "prefix",
      "tool names cannot begin with it",
      "Use at most 64 lower-case letters, digits and underscores",
    );
  }
  const path = spec?.text("path") || "/mcp";
  if (!isPath(path)) {
    spec?.report(
      "path",
      "it is no absolute path",
      "Write it like /mcp, without query, fragment, spaces and steps upwards",
    );
  }
  const userSpecificList =
    spec?.choice("userSpecificList", ["Enabled", "Disabled"], "Disabled") ===
      "Enabled";
  if (userSpecificList && prefix === "") {
    spec?.report(
      "prefix",
      "it is missing, and userSpecificList is Enabled",
      "Set a prefix: calls of what only some callers see find it by that",
    );
  }
  const known = {
    kind: "MCPServerRegistration",
    meta,
    target: {
      group: target?.text("group") || GATEWAY_GROUP,
      kind: target?.text("kind") || "HTTPRoute",
      name: target?.required("name") ?? "",
      namespace: target?.text("namespace") || meta.namespace,
    },
    prefix,
    path,
    ...(credential ? { credential } : {}),
    ...(caCert ? { caCert } : {}),
    state: spec?.choice("state", ["Enabled", "Disabled"], "Enabled") ??
      "Enabled",
    tokenUrlElicitation: spec?.child("tokenURLElicitation") !== undefined,
    userSpecificList,
    category: spec?.texts("category") ?? [],
    hint: spec?.text("hint") ?? "",
    tags: spec?.texts("tags") ?? [],
    findings: [...findings],
  } as const;
  return { ...known, ...readStatus(object) };
}

function isPath(path: string): boolean {
  // What a route's match cannot have, the server's path cannot either.
  return PATH.test(path) && !/\/\/|%2f/i.test(path) &&
    !path.split("/").some((step) => /^(\.|%2e){1,2}$/i.test(step));
}

/** Reads `{name, key}`. */
export function readKeyRef(
  fields: Fields,
  at: string,
  defaultKey: string,
): SecretKeyRef | undefined {
  const ref = fields.child(at);
  if (ref === undefined) return undefined;
  return { name: ref.required("name"), key: ref.text("key") || defaultKey };
}
