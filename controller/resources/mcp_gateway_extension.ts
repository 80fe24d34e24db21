/**
 * MCPGatewayExtension: which listener of a Gateway serves MCP. Pure.
 *
 * @module
 */

import { type Condition, readStatus } from "./condition.ts";
import type { Fields } from "./fields.ts";
import type { Finding } from "./finding.ts";
import { GATEWAY_GROUP } from "./groups.ts";
import type { Meta, ObjectName } from "./meta.ts";

/** An MCPGatewayExtension. */
export interface McpGatewayExtension {
  /** Tells the kinds of resources apart. */
  readonly kind: "MCPGatewayExtension";
  /** Its metadata. */
  readonly meta: Meta;
  /** The Gateway and its listener. */
  readonly target: ObjectName & {
    /** API group. */
    readonly group: string;
    /** Kind. */
    readonly kind: string;
    /** Name of the listener. */
    readonly sectionName: string;
  };
  /** Host that clients use, lower case; the listener's where "". */
  readonly publicHost: string;
  /** Whether the route to the broker is ours to make. */
  readonly managesRoute: boolean;
  /** Largest message in bytes, where it is said. */
  readonly maxBodyBytes?: number;
  /**
   * Registrations (`namespace/name`, `namespace/*`) on whose routes a policy
   * replaces the client's `Authorization`: it stays on the request there.
   */
  readonly keepAuthorization: readonly string[];
  /** Fields that were accepted and that nothing acts on yet, by path. */
  readonly pending: readonly string[];
  /** What its status says now. */
  readonly status: unknown;
  /** Conditions of its status. */
  readonly conditions: readonly Condition[];
  /** What cannot be used. */
  readonly findings: readonly Finding[];
}

/** Annotation that {@linkcode McpGatewayExtension.keepAuthorization} is read from. */
export const KEEP_AUTHORIZATION_ANNOTATION =
  "mcp.kuadrant.io/keep-authorization";

/** Fields that change nothing yet, and what their defaults are. */
const PENDING: Readonly<Record<string, unknown>> = {
  privateHost: "",
  backendPingIntervalSeconds: 60,
  trustedHeadersKey: undefined,
  logLevel: "",
  sessionStore: undefined,
  urlElicitation: "Disabled",
  oauthProtectedResource: undefined,
  caCertBundleRef: undefined,
};

const HOST =
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** Reads an MCPGatewayExtension. */
export function readExtension(
  object: Fields,
  meta: Meta,
  findings: Finding[],
): McpGatewayExtension {
  const spec = object.child("spec");
  if (spec === undefined) object.report("spec", "it is missing", "Add it");
  const target = spec?.child("targetRef");
  if (spec !== undefined && target === undefined) {
    spec.report("targetRef", "it is missing", "Name the Gateway");
  }
  const publicHost = (spec?.text("publicHost") ?? "").toLowerCase();
  if (
    publicHost !== "" && (publicHost.length > 253 || !HOST.test(publicHost))
  ) {
    spec?.report(
      "publicHost",
      "it is no DNS name",
      "Write it like mcp.example.com, without scheme, port and *",
    );
  }
  const maxBodyBytes = spec?.integer("maxBodyBytes");
  if (maxBodyBytes !== undefined && maxBodyBytes <= 0) {
    spec?.report(
      "maxBodyBytes",
      "it is not above 0",
      "Write 4194304 for 4 MiB",
    );
  }
  const known = {
    kind: "MCPGatewayExtension",
    meta,
    target: {
      group: target?.text("group") || GATEWAY_GROUP,
      kind: target?.text("kind") || "Gateway",
      name: target?.required("name") ?? "",
      namespace: target?.text("namespace") || meta.namespace,
      sectionName: target?.required("sectionName") ?? "",
    },
    publicHost,
    managesRoute: spec?.choice(
      "httpRouteManagement",
      ["Enabled", "Disabled"],
      "Enabled",
    ) !== "Disabled",
    ...(maxBodyBytes === undefined ? {} : { maxBodyBytes }),
    keepAuthorization: (meta.annotations.get(KEEP_AUTHORIZATION_ANNOTATION) ??
      "").split(",").map((one) => one.trim()).filter((one) => one !== ""),
    pending: Object.entries(PENDING).flatMap(([key, unset]) => {
      const value = spec?.value(key);
      return value === undefined || value === unset ? [] : [`spec.${key}`];
    }),
    findings: [...findings],
  } as const;
  return { ...known, ...readStatus(object) };
}
