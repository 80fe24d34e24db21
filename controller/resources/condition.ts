/**
 * Conditions, as the Gateway API writes them. Pure.
 *
 * @module
 */

import type { Fields } from "./fields.ts";
import { instant } from "./meta.ts";

/** Whether something holds. */
export type ConditionStatus = "True" | "False" | "Unknown";

/** One condition of an object. */
export interface Condition {
  /** What it is about. */
  readonly type: string;
  /** Whether it holds. */
  readonly status: ConditionStatus;
  /** Why, in one word for programs. */
  readonly reason: string;
  /** Why, for people. */
  readonly message: string;
  /** Generation of the object that it was found out about. */
  readonly observedGeneration?: number;
  /** When `status` last changed, RFC 3339. */
  readonly lastTransitionTime: string;
}

const STATUSES: readonly ConditionStatus[] = ["True", "False", "Unknown"];

/** Reads the conditions of a status, or of a part of one. */
export function readConditions(
  fields: Fields | undefined,
): readonly Condition[] {
  return (fields?.children("conditions") ?? []).flatMap((one) => {
    const type = one.text("type");
    if (type === undefined) return [];
    const observed = one.integer("observedGeneration");
    return [{
      type,
      status: one.choice("status", STATUSES, "Unknown"),
      reason: one.text("reason") ?? "",
      message: one.text("message") ?? "",
      ...(observed === undefined ? {} : { observedGeneration: observed }),
      lastTransitionTime: timeOf(one.value("lastTransitionTime")),
    }];
  });
}

/** A time as the API server writes it: whole seconds. */
function timeOf(value: unknown): string {
  const at = instant(value);
  return at === undefined
    ? ""
    : new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
}

/**
 * Finds a condition that says something about the object as it is: one of an
 * earlier generation does not.
 */
export function currentCondition(
  conditions: readonly Condition[],
  type: string,
  generation: number,
): Condition | undefined {
  return conditions.find((one) =>
    one.type === type && (one.observedGeneration ?? generation) >= generation
  );
}

/** What an object of ours says of itself now. */
export interface OwnStatus {
  /** Its status, as it stands there. */
  readonly status: unknown;
  /** The conditions in it. */
  readonly conditions: readonly Condition[];
}

/**
 * Reads the status of an object of ours, behind all else: what is wrong in it
 * is nobody's fault but ours, and overwritten.
 */
export function readStatus(object: Fields): OwnStatus {
  return {
    status: object.value("status"),
    conditions: readConditions(object.child("status")),
  };
}
