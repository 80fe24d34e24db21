/**
 * Gateway and GatewayClass: where clients connect, and what programs it. Pure.
 *
 * @module
 */

import { type Condition, readConditions } from "./condition.ts";
import type { Fields } from "./fields.ts";
import type { Finding } from "./finding.ts";
import type { Meta } from "./meta.ts";

/** Annotation of a Gateway's infrastructure that Istio's proxies start with. */
export const PROXY_SETTINGS = "proxy.istio.io/config";

/** Namespaces whose routes a listener takes. */
export type AllowedNamespaces = "All" | "Same" | "Selector" | "None";

/** A listener of a Gateway. */
export interface Listener {
  /** Its name, which `sectionName` refers to. */
  readonly name: string;
  /** Host that it is for, lower case, perhaps `*.` and more; "" for any. */
  readonly hostname: string;
  /** Port that clients connect to. */
  readonly port: number;
  /** `HTTP`, `HTTPS` or another. */
  readonly protocol: string;
  /** Namespaces whose routes it takes. */
  readonly allowed: AllowedNamespaces;
  /** What the Gateway's controller says of it. */
  readonly conditions: readonly Condition[];
}

/** A Gateway. */
export interface Gateway {
  /** Tells the kinds of resources apart. */
  readonly kind: "Gateway";
  /** Its metadata. */
  readonly meta: Meta;
  /** Name of its GatewayClass. */
  readonly className: string;
  /** Its listeners. */
  readonly listeners: readonly Listener[];
  /** What its owner sets for Istio's proxies, YAML or JSON; "" for nothing. */
  readonly proxySettings: string;
  /** What its controller says of it. */
  readonly conditions: readonly Condition[];
  /** What cannot be used. */
  readonly findings: readonly Finding[];
}

/** A GatewayClass. */
export interface GatewayClass {
  /** Tells the kinds of resources apart. */
  readonly kind: "GatewayClass";
  /** Its metadata. */
  readonly meta: Meta;
  /** Which controller programs Gateways of the class. */
  readonly controllerName: string;
  /** What cannot be used. */
  readonly findings: readonly Finding[];
}

/** Reads a Gateway. */
export function readGateway(
  object: Fields,
  meta: Meta,
  findings: Finding[],
): Gateway {
  const spec = object.child("spec");
  const status = object.child("status");
  const conditions = new Map(
    (status?.children("listeners") ?? []).map((one) => [
      one.text("name") ?? "",
      readConditions(one),
    ]),
  );
  return {
    kind: "Gateway",
    meta,
    className: spec?.text("gatewayClassName") ?? "",
    listeners: (spec?.children("listeners") ?? []).map((one) => {
      const name = one.text("name") ?? "";
      return {
        name,
        hostname: (one.text("hostname") ?? "").toLowerCase(),
        port: one.integer("port") ?? 0,
        protocol: one.text("protocol") ?? "",
        allowed: one.child("allowedRoutes")?.child("namespaces")?.choice(
          "from",
          ["All", "Same", "Selector", "None"],
          "Same",
        ) ?? "Same",
        conditions: conditions.get(name) ?? [],
      };
    }),
    proxySettings: spec?.child("infrastructure")?.child("annotations")?.text(
      PROXY_SETTINGS,
    ) ?? "",
    conditions: readConditions(status),
    findings,
  };
}

/** Reads a GatewayClass. */
export function readGatewayClass(
  object: Fields,
  meta: Meta,
  findings: Finding[],
): GatewayClass {
  return {
    kind: "GatewayClass",
    meta,
    controllerName: object.child("spec")?.text("controllerName") ?? "",
    findings,
  };
}
