/**
 * HTTPRoute: which host and path of a Gateway lead to which backend. Pure.
 *
 * @module
 */

import { type Condition, readConditions } from "./condition.ts";
import type { Fields } from "./fields.ts";
import type { Finding } from "./finding.ts";
import { GATEWAY_GROUP } from "./groups.ts";
import type { Meta } from "./meta.ts";

/** What a route attaches to. */
export interface ParentRef {
  /** API group of the parent. */
  readonly group: string;
  /** Kind of the parent. */
  readonly kind: string;
  /** Namespace of the parent, the route's own where left out. */
  readonly namespace: string;
  /** Name of the parent. */
  readonly name: string;
  /** One listener of it; any where left out. */
  readonly sectionName?: string;
  /** Listeners of one port; any where left out. */
  readonly port?: number;
}

/** How a path is matched. */
export interface PathMatch {
  /** `Exact`, `PathPrefix` or `RegularExpression`. */
  readonly type: string;
  /** The path. */
  readonly value: string;
}

/** Where a rule sends requests. */
export interface BackendRef {
  /** API group, "" for Services. */
  readonly group: string;
  /** Kind. */
  readonly kind: string;
  /** Namespace, the route's own where left out. */
  readonly namespace: string;
  /** Name. */
  readonly name: string;
  /** Port, where one is given. */
  readonly port?: number;
  /** Share of the requests; 1 where left out. */
  readonly weight: number;
}

/** A rule of a route. */
export interface RouteRule {
  /** Position in the route, from 0. */
  readonly index: number;
  /** Its name, where it has one. */
  readonly name?: string;
  /** Paths that it takes; `/` and below where it says nothing. */
  readonly paths: readonly PathMatch[];
  /** It changes the path of requests, or answers them itself. */
  readonly changesPath: boolean;
  /** It sets the Host that the backend gets. */
  readonly setsHost: boolean;
  /** Where it sends them. */
  readonly backends: readonly BackendRef[];
}

/** What a parent's controller says of the route. */
export interface ParentStatus {
  /** The parent, as `parentRefs` has it. */
  readonly ref: ParentRef;
  /** What is said. */
  readonly conditions: readonly Condition[];
}

/** An HTTPRoute. */
export interface HttpRoute {
  /** Tells the kinds of resources apart. */
  readonly kind: "HTTPRoute";
  /** Its metadata. */
  readonly meta: Meta;
  /** What it attaches to. */
  readonly parents: readonly ParentRef[];
  /** Hosts that it is for, lower case; the listener's where there are none. */
  readonly hostnames: readonly string[];
  /** Its rules. */
  readonly rules: readonly RouteRule[];
  /** What the parents' controllers say. */
  readonly statuses: readonly ParentStatus[];
  /** What cannot be used. */
  readonly findings: readonly Finding[];
}

/** Reads an HTTPRoute. */
export function readHttpRoute(
  object: Fields,
  meta: Meta,
  findings: Finding[],
): HttpRoute {
  const spec = object.child("spec");
  return {
    kind: "HTTPRoute",
    meta,
    parents: (spec?.children("parentRefs") ?? []).map((one) =>
      readParentRef(one, meta)
    ),
    hostnames: (spec?.texts("hostnames") ?? []).map((h) => h.toLowerCase()),
    rules: (spec?.children("rules") ?? []).map((rule, index) =>
      readRule(rule, index, meta)
    ),
    statuses: (object.child("status")?.children("parents") ?? []).map((one) => {
      const ref = one.child("parentRef");
      return {
        ref: readParentRef(ref ?? one, meta),
        conditions: readConditions(one),
      };
    }),
    findings,
  };
}

function readParentRef(fields: Fields, meta: Meta): ParentRef {
  const sectionName = fields.text("sectionName");
  const port = fields.integer("port");
  return {
    group: fields.text("group") ?? GATEWAY_GROUP,
    kind: fields.text("kind") ?? "Gateway",
    namespace: fields.text("namespace") ?? meta.namespace,
    name: fields.text("name") ?? "",
    ...(sectionName ? { sectionName } : {}),
    ...(port === undefined ? {} : { port }),
  };
}

function readRule(rule: Fields, index: number, meta: Meta): RouteRule {
  const name = rule.text("name");
  const matches = rule.children("matches");
  const filters = rule.children("filters");
  return {
    index,
    ...(name ? { name } : {}),
    paths: matches.length === 0
      ? [ANY_PATH]
      : matches.map((match) => readPath(match.child("path"))),
    changesPath: filters.some((filter) => {
      const type = filter.text("type");
      return type === "RequestRedirect" ||
        (type === "URLRewrite" &&
          filter.child("urlRewrite")?.value("path") !== undefined);
    }),
    setsHost: filters.some((filter) =>
      filter.child("urlRewrite")?.value("hostname") !== undefined
    ),
    backends: rule.children("backendRefs").map((one) => {
      const port = one.integer("port");
      return {
        group: one.text("group") ?? "",
        kind: one.text("kind") ?? "Service",
        namespace: one.text("namespace") ?? meta.namespace,
        name: one.text("name") ?? "",
        ...(port === undefined ? {} : { port }),
        weight: one.integer("weight") ?? 1,
      };
    }),
  };
}

const ANY_PATH: PathMatch = { type: "PathPrefix", value: "/" };

function readPath(path: Fields | undefined): PathMatch {
  return {
    type: path?.text("type") ?? "PathPrefix",
    value: path?.text("value") ?? "/",
  };
}
