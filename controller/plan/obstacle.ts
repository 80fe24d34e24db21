/**
 * What keeps an object from taking effect, and the conditions that say so.
 * Pure.
 *
 * @module
 */

import type { Condition, ConditionStatus } from "../resources/condition.ts";
import { describeFindings, type Finding } from "../resources/finding.ts";
import {
  CONDITION_TYPES,
  type ConditionType,
  type Reason,
  REASONS,
} from "./reasons.ts";

/** Why something does not hold. */
export interface Obstacle {
  /** The reason, which says what condition it belongs to. */
  readonly reason: Reason;
  /** For people: the place, the state and the remedy. */
  readonly message: string;
  /** It is told, but what it is about stays in the configuration. */
  readonly soft?: boolean;
}

/** States one obstacle. */
export function obstacle(reason: Reason, message: string): Obstacle {
  return { reason, message };
}

/** States what cannot be read of an object, if anything. */
export function invalid(findings: readonly Finding[]): readonly Obstacle[] {
  return findings.length === 0
    ? []
    : [obstacle("Invalid", describeFindings(findings))];
}

/** What holds: the status, reason and message of one condition. */
export interface Verdict {
  /** Whether it holds. */
  readonly status: ConditionStatus;
  /** Why. */
  readonly reason: Reason;
  /** Why, for people. */
  readonly message: string;
}

/** States a verdict with the status that the table has for the reason. */
export function verdict(reason: Reason, message: string): Verdict {
  return { status: REASONS[reason].status, reason, message };
}

/** A verdict per condition type. */
export type Verdicts = Readonly<Record<ConditionType, Verdict>>;

/**
 * Decides each condition.
 *
 * | condition | verdict |
 * |---|---|
 * | before the first one with an obstacle | as it holds |
 * | with an obstacle | the first one's reason, every message |
 * | ResolvedRefs behind an obstacle | Unknown, for the same reason |
 * | Programmed, Ready behind an obstacle | False (Unknown where that is), for the same reason |
 *
 * So the last condition names the first thing to mend.
 */
export function judge(
  holds: Verdicts,
  obstacles: readonly Obstacle[],
): Verdicts {
  const verdicts: Record<ConditionType, Verdict> = { ...holds };
  let first: Verdict | undefined;
  for (const type of CONDITION_TYPES) {
    const own = obstacles.filter(({ reason }) =>
      REASONS[reason].condition === type
    );
    const [foremost] = own;
    if (first !== undefined) {
      verdicts[type] = type === "ResolvedRefs"
        ? { ...first, status: "Unknown" }
        : first;
    } else if (foremost !== undefined) {
      const messages = new Set(own.map(({ message }) => message));
      first = verdict(foremost.reason, [...messages].join("; "));
      verdicts[type] = first;
    }
  }
  return verdicts;
}

/** Longest message that the API server takes. */
const MAX_MESSAGE = 32_768;

/**
 * Writes verdicts as conditions. Where a status has not changed, the time of
 * its last change stays.
 *
 * @param now RFC 3339.
 */
export function toConditions(
  verdicts: Verdicts,
  before: readonly Condition[],
  generation: number,
  now: string,
): readonly Condition[] {
  return CONDITION_TYPES.map((type) => {
    const { status, reason, message } = verdicts[type];
    const old = before.find((one) => one.type === type);
    const kept = old?.status === status && old.lastTransitionTime !== "";
    return {
      type,
      status,
      reason,
      message: message.length > MAX_MESSAGE
        ? `${message.slice(0, MAX_MESSAGE - 1)}…`
        : message,
      observedGeneration: generation,
      lastTransitionTime: kept ? old.lastTransitionTime : now,
    };
  });
}
