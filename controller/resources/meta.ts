/**
 * The part that every object has: its name, its age, its labels. Pure.
 *
 * @module
 */

import type { Fields } from "./fields.ts";

/** Names an object of a kind that is known from where the name stands. */
export interface ObjectName {
  /** Namespace; "" for kinds without. */
  readonly namespace: string;
  /** Name. */
  readonly name: string;
}

/** An object's metadata, as far as it is used. */
export interface Meta extends ObjectName {
  /** Unique id, where the API server has given one. */
  readonly uid?: string;
  /** Version of the stored object, a precondition of writes. */
  readonly resourceVersion?: string;
  /** Counts changes of `spec`; 0 where the kind does not count. */
  readonly generation: number;
  /** When it was made, milliseconds since 1970; Infinity where not said. */
  readonly created: number;
  /** It is being deleted. */
  readonly deleting: boolean;
  /** Labels. */
  readonly labels: ReadonlyMap<string, string>;
  /** Annotations. */
  readonly annotations: ReadonlyMap<string, string>;
}

const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const NAMESPACE = /^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$/;

/**
 * Reads metadata; nothing where an object has no name that the API server
 * could have stored, as then there is nobody to tell about it.
 */
export function readMeta(object: Fields): Meta | undefined {
  const fields = object.child("metadata");
  const name = fields?.text("name") ?? "";
  const namespace = fields?.text("namespace") ?? "";
  if (fields === undefined || !NAME.test(name) || !NAMESPACE.test(namespace)) {
    return undefined;
  }
  const uid = fields.text("uid");
  const resourceVersion = fields.text("resourceVersion");
  return {
    name,
    namespace,
    ...(uid ? { uid } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
    generation: fields.integer("generation") ?? 0,
    created: instant(fields.value("creationTimestamp")) ?? Infinity,
    deleting: fields.value("deletionTimestamp") !== undefined,
    labels: fields.entries("labels"),
    annotations: fields.entries("annotations"),
  };
}

/** Milliseconds since 1970 of a time as the API server or its client has it. */
export function instant(value: unknown): number | undefined {
  const at = value instanceof Date
    ? value.getTime()
    : typeof value === "string"
    ? Date.parse(value)
    : NaN;
  return Number.isFinite(at) ? at : undefined;
}

/** `namespace/name`, by which objects of one kind are told apart. */
export function keyOf({ namespace, name }: ObjectName): string {
  return `${namespace}/${name}`;
}

/** By age, the oldest first; by name among those of one second. */
export function byAge(
  a: { readonly meta: Meta },
  b: { readonly meta: Meta },
): number {
  // Infinity - Infinity is NaN, hence no subtraction.
  if (a.meta.created !== b.meta.created) {
    return a.meta.created < b.meta.created ? -1 : 1;
  }
  return byName(a.meta, b.meta);
}

/** By `namespace/name`, the same everywhere whatever the locale. */
export function byName(a: ObjectName, b: ObjectName): number {
  const left = keyOf(a), right = keyOf(b);
  return left < right ? -1 : left > right ? 1 : 0;
}
