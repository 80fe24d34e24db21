/**
 * Writes what we know of an object into its status, where it is not there
 * already. Bound to what was read: whoever else writes into the same status
 * loses nothing, and what we found out about an older specification is never
 * written onto a newer one.
 *
 * A write makes an event, the event makes us look again, and then there is
 * nothing left to write: that is why it never goes round in circles.
 *
 * @module
 */

import type { KubeClient } from "../../shared/kube/client.ts";
import { isKubeError } from "../../shared/kube/kube_error.ts";
import type { KubeObject, Resource } from "../../shared/kube/object.ts";
import type { Condition } from "../resources/condition.ts";
import { isEqual } from "./same_content.ts";

/** A condition as we find it: when it last changed is known of the old one. */
export type FoundCondition = Omit<Condition, "lastTransitionTime">;

/** Members of a status; null removes one. */
export type StatusMembers = Readonly<Record<string, unknown>>;

/** What became of a status. */
export type StatusOutcome =
  /** It says so already. */
  | { readonly kind: "unchanged" }
  /** It was written. */
  | {
    readonly kind: "changed";
    readonly before: KubeObject;
    readonly after: KubeObject;
  }
  /** The object is gone, or another one than was meant; there is news of that. */
  | { readonly kind: "outdated" };

/** Attempts, each after somebody else wrote in between. */
const MAX_ATTEMPTS = 5;

/**
 * Writes members of an object's status.
 *
 * @param known The object that something was found out about.
 * @param found Makes the members from the status as it is; asked again after
 * somebody else wrote.
 * @throws {KubeError} If it is refused.
 */
export async function writeStatus(
  client: Pick<KubeClient, "get" | "patchStatus">,
  resource: Resource,
  known: KubeObject,
  found: (status: Readonly<Record<string, unknown>>) => StatusMembers,
  signal?: AbortSignal,
): Promise<StatusOutcome> {
  const { namespace, name, uid, generation } = known.metadata;
  const target = { resource, namespace, name };
  let live = known;
  for (let attempt = 1;; attempt++) {
    const status = (live.status ?? {}) as Readonly<Record<string, unknown>>;
    const patch = changedMembers(status, found(status));
    if (patch === undefined) return { kind: "unchanged" };
    try {
      const version = live.metadata.resourceVersion ?? "";
      const after = await client.patchStatus(target, version, patch, signal);
      return { kind: "changed", before: live, after };
    } catch (error) {
      if (isKubeError(error, "absent")) return { kind: "outdated" };
      if (!isKubeError(error, "conflict") || attempt >= MAX_ATTEMPTS) {
        throw error;
      }
    }
    const now = await client.get(target, signal);
    if (
      now === undefined || now.metadata.uid !== uid ||
      now.metadata.generation !== generation
    ) return { kind: "outdated" };
    live = now;
  }
}

function changedMembers(
  status: StatusMembers,
  wanted: StatusMembers,
): StatusMembers | undefined {
  const changed = Object.entries(wanted).filter(([name, value]) =>
    !isEqual(status[name] ?? null, value ?? null)
  );
  return changed.length === 0 ? undefined : Object.fromEntries(changed);
}

/**
 * Puts what was found among the conditions that are there. Those of others
 * stay; the time of a change stays where the status does.
 *
 * @param current Conditions as they are.
 * @param found Ours, as found now.
 * @param types Types that are ours: one of them that was not found goes.
 * @param now RFC 3339, in seconds.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { mergeConditions } from "./write_status.ts";
 *
 * const ready = { type: "Ready", status: "True", reason: "Listed", message: "" } as const;
 * const before = [{ ...ready, lastTransitionTime: "2026-01-01T00:00:00Z" }];
 * assertEquals(
 *   mergeConditions(before, [{ ...ready, message: "3 tools" }], ["Ready"], "2026-01-02T00:00:00Z"),
 *   [{ ...ready, message: "3 tools", lastTransitionTime: "2026-01-01T00:00:00Z" }],
 * );
 * ```
 */
export function mergeConditions(
  current: readonly Condition[],
  found: readonly FoundCondition[],
  types: readonly string[],
  now: string,
): readonly Condition[] {
  const dated = found.map((condition): Condition => {
    const before = current.find(({ type }) => type === condition.type);
    return {
      ...condition,
      lastTransitionTime: before?.status === condition.status
        ? before.lastTransitionTime
        : now,
    };
  });
  const byType = new Map(dated.map((condition) => [condition.type, condition]));
  // In the order in which they stand, so that nothing changes but what did.
  const kept = current.flatMap((before) => {
    const after = byType.get(before.type);
    if (after !== undefined) return byType.delete(before.type) ? [after] : [];
    return types.includes(before.type) ? [] : [before];
  });
  return [...kept, ...byType.values()];
}

/** Conditions whose reason or status is another than before. */
export function changedReasons(
  before: readonly Condition[],
  after: readonly Condition[],
): readonly Condition[] {
  return after.filter((condition) => {
    const old = before.find(({ type }) => type === condition.type);
    return old?.reason !== condition.reason || old.status !== condition.status;
  });
}
