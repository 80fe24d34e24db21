/**
 * ReferenceGrant: what of a namespace may be referred to from others. Pure.
 *
 * @module
 */

import type { Fields } from "./fields.ts";
import type { Finding } from "./finding.ts";
import type { Meta, ObjectName } from "./meta.ts";

/** Objects of a kind in a namespace, which may refer. */
export interface GrantFrom {
  /** API group. */
  readonly group: string;
  /** Kind. */
  readonly kind: string;
  /** Namespace. */
  readonly namespace: string;
}

/** Objects of a kind, or one of them, which may be referred to. */
export interface GrantTo {
  /** API group, "" for the core. */
  readonly group: string;
  /** Kind. */
  readonly kind: string;
  /** One object; all of the kind where left out. */
  readonly name?: string;
}

/** A ReferenceGrant. */
export interface ReferenceGrant {
  /** Tells the kinds of resources apart. */
  readonly kind: "ReferenceGrant";
  /** Its metadata; its namespace is the one that grants. */
  readonly meta: Meta;
  /** Who may refer. */
  readonly from: readonly GrantFrom[];
  /** To what. */
  readonly to: readonly GrantTo[];
  /** What cannot be used. */
  readonly findings: readonly Finding[];
}

/** Reads a ReferenceGrant. */
export function readReferenceGrant(
  object: Fields,
  meta: Meta,
  findings: Finding[],
): ReferenceGrant {
  const spec = object.child("spec");
  return {
    kind: "ReferenceGrant",
    meta,
    from: (spec?.children("from") ?? []).map((one) => ({
      group: one.text("group") ?? "",
      kind: one.text("kind") ?? "",
      namespace: one.text("namespace") ?? "",
    })),
    to: (spec?.children("to") ?? []).flatMap((one): GrantTo[] => {
      const name = one.value("name");
      // A name that cannot be read must not turn into "any".
      if (name !== undefined && typeof name !== "string") return [];
      return [{
        group: one.text("group") ?? "",
        kind: one.text("kind") ?? "",
        ...(name ? { name } : {}),
      }];
    }),
    findings,
  };
}

/**
 * Tells whether a reference across namespaces is allowed. One within a
 * namespace always is.
 */
export function mayRefer(
  grants: readonly ReferenceGrant[],
  from: GrantFrom,
  to: Omit<GrantTo, "name"> & ObjectName,
): boolean {
  return from.namespace === to.namespace ||
    grants.some((grant) =>
      grant.meta.namespace === to.namespace && !grant.meta.deleting &&
      grant.from.some((one) =>
        one.group === from.group && one.kind === from.kind &&
        one.namespace === from.namespace
      ) &&
      grant.to.some((one) =>
        one.group === to.group && one.kind === to.kind &&
        (one.name === undefined || one.name === to.name)
      )
    );
}
