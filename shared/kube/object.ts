/**
 * Kubernetes objects and the kinds they are of, as far as every kind has it in
 * common, and their paths on an API server. Pure.
 *
 * @module
 */

/** What an object belongs to. */
export interface OwnerReference {
  /** Group and version of the owner's kind. */
  readonly apiVersion: string;
  /** Kind of the owner. */
  readonly kind: string;
  /** Its name; it is in the same namespace, or in none. */
  readonly name: string;
  /** Its uid. */
  readonly uid: string;
  /** Whether it is the one that manages the object. */
  readonly controller?: boolean;
  /** Whether it is only deleted once the object is. */
  readonly blockOwnerDeletion?: boolean;
}

/** What is known of every object. */
export interface ObjectMeta {
  /** Name, unique in its namespace. */
  readonly name: string;
  /** Namespace; absent for kinds that have none. */
  readonly namespace?: string;
  /** Unique over time: another one after it was deleted and made again. */
  readonly uid?: string;
  /** Changes with every change; nothing to be compared but for equality. */
  readonly resourceVersion?: string;
  /** Counts changes of what is wanted, not of status or metadata. */
  readonly generation?: number;
  /** RFC 3339, in seconds. */
  readonly creationTimestamp?: string;
  /** When it was asked to go; RFC 3339. */
  readonly deletionTimestamp?: string;
  /** For selection. */
  readonly labels?: Readonly<Record<string, string>>;
  /** For whatever else. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** What it belongs to. */
  readonly ownerReferences?: readonly OwnerReference[];
}

/** An object; whoever knows its kind knows more of it. */
export interface KubeObject {
  /** Group and version: `v1`, `mcp.kuadrant.io/v1`. */
  readonly apiVersion: string;
  /** Its kind. */
  readonly kind: string;
  /** What every object has. */
  readonly metadata: ObjectMeta;
  /** What is wanted. */
  readonly spec?: unknown;
  /** What is. */
  readonly status?: unknown;
  /** Content of a ConfigMap (text) or Secret (base64), by key. */
  readonly data?: Readonly<Record<string, string>>;
}

/** A kind as an API server serves it. */
export interface Resource {
  /** API group; "" for the core. */
  readonly group: string;
  /** Version of the group. */
  readonly version: string;
  /** Its name in paths: `httproutes`. */
  readonly plural: string;
  /** Its name in objects: `HTTPRoute`. */
  readonly kind: string;
  /** Whether its objects are in namespaces. */
  readonly namespaced: boolean;
}

/** ConfigMaps. */
export const CONFIG_MAPS: Resource = {
  group: "",
  version: "v1",
  plural: "configmaps",
  kind: "ConfigMap",
  namespaced: true,
};

/** Secrets. */
export const SECRETS: Resource = {
  group: "",
  version: "v1",
  plural: "secrets",
  kind: "Secret",
  namespaced: true,
};

/** Group and version of a kind, as objects carry them. */
export function apiVersionOf({ group, version }: Resource): string {
  return group === "" ? version : `${group}/${version}`;
}

/** Which of a kind's objects are meant. */
export interface ResourceScope {
  /** Namespace; all of them where left out. */
  readonly namespace?: string | undefined;
  /** One object. */
  readonly name?: string | undefined;
  /** A part of it that is written by itself. */
  readonly subresource?: "status" | undefined;
}

/**
 * The path of a kind, of its objects in a namespace, or of one object.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { CONFIG_MAPS, resourcePath } from "./object.ts";
 *
 * assertEquals(resourcePath(CONFIG_MAPS), "/api/v1/configmaps");
 * assertEquals(
 *   resourcePath(CONFIG_MAPS, { namespace: "mcp", name: "gateway" }),
 *   "/api/v1/namespaces/mcp/configmaps/gateway",
 * );
 * ```
 */
export function resourcePath(
  resource: Resource,
  { namespace, name, subresource }: ResourceScope = {},
): string {
  const root = resource.group === "" ? "/api" : "/apis";
  const parts = [
    `${root}/${apiVersionOf(resource)}`,
    ...(resource.namespaced && namespace !== undefined
      ? ["namespaces", encodeURIComponent(namespace)]
      : []),
    resource.plural,
    ...(name === undefined ? [] : [encodeURIComponent(name)]),
    ...(subresource === undefined ? [] : [subresource]),
  ];
  return parts.join("/");
}

/** `NAMESPACE/NAME`, or `NAME` for kinds without namespaces. */
export function objectKey(
  { namespace, name }: Pick<ObjectMeta, "namespace" | "name">,
): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
