/**
 * The status of one object: its whole content, and whether and how it differs
 * from what is there. Pure.
 *
 * @module
 */

import type { Condition } from "../resources/condition.ts";
import { MCP_GROUP } from "../resources/groups.ts";
import { instant, type Meta } from "../resources/meta.ts";
import { toConditions, type Verdicts } from "./obstacle.ts";
import type { World } from "./world.ts";

/** A condition whose status or reason changes. */
export interface Transition {
  /** Type of the condition. */
  readonly type: string;
  /** What it was, nothing for a new one. */
  readonly before?: Condition;
  /** What it becomes. */
  readonly after: Condition;
}

/** The status of one object. */
export interface StatusPlan {
  /** `group/version`. */
  readonly apiVersion: string;
  /** Kind. */
  readonly kind:
    | "MCPGatewayExtension"
    | "MCPServerRegistration"
    | "MCPVirtualServer";
  /** The object. */
  readonly meta: Meta;
  /** Its whole status. */
  readonly status: StatusContent;
  /** It differs from what the object has. */
  readonly changed: boolean;
  /** What is worth an Event. */
  readonly transitions: readonly Transition[];
}

/** A status; an extension's has conditions only, a virtual server's numbers. */
export interface StatusContent {
  /** What holds. */
  readonly conditions: readonly Condition[];
  /** The server's name in the gateway. */
  readonly serverName?: string;
  /** The host that it is routed on. */
  readonly hostname?: string;
  /** Where it is reached. */
  readonly url?: string;
  /** Its state, as the broker that has most to complain about says. */
  readonly state?: string;
  /** Since when, RFC 3339, whole seconds. */
  readonly since?: string;
  /** The era that it speaks. */
  readonly era?: string;
  /** The revision that was negotiated. */
  readonly revision?: string;
  /** Number of its tools that are listed. */
  readonly tools?: number;
  /** Number of its prompts that are listed. */
  readonly prompts?: number;
  /** Number of its resources that are listed. */
  readonly resources?: number;
  /** What went wrong last, while it matters. */
  readonly lastError?: string;
}

/** Plans the status of one object. */
export function statusPlan(
  kind: StatusPlan["kind"],
  { meta, conditions: before, status: observed }: {
    readonly meta: Meta;
    readonly conditions: readonly Condition[];
    readonly status: unknown;
  },
  { now }: World,
  { verdicts, fields = {} }: {
    readonly verdicts: Verdicts;
    readonly fields?: Omit<StatusContent, "conditions">;
  },
): StatusPlan {
  const conditions = toConditions(verdicts, before, meta.generation, now);
  const status: StatusContent = { conditions, ...fields };
  return {
    apiVersion: `${MCP_GROUP}/v1`,
    kind,
    meta,
    status,
    changed: !sameStatus(status, before, observed),
    transitions: conditions.flatMap((after): Transition[] => {
      const old = before.find(({ type }) => type === after.type);
      if (old?.status === after.status && old.reason === after.reason) {
        return [];
      }
      return [{
        type: after.type,
        ...(old === undefined ? {} : { before: old }),
        after,
      }];
    }),
  };
}

/** Fields that a status of ours may have besides conditions. */
const STATUS_FIELDS = [
  "serverName",
  "hostname",
  "url",
  "state",
  "since",
  "era",
  "revision",
  "tools",
  "prompts",
  "resources",
  "lastError",
] as const;

/**
 * The members of a status that are ours, conditions apart: null for those that
 * it has not, so that an older value goes.
 */
export function statusMembers(
  status: StatusContent,
): Readonly<Record<string, string | number | null>> {
  return Object.fromEntries(
    STATUS_FIELDS.map((field) => [field, status[field] ?? null]),
  );
}

function sameStatus(
  status: StatusContent,
  before: readonly Condition[],
  observed: unknown,
): boolean {
  const old = typeof observed === "object" && observed !== null
    ? observed as Readonly<Record<string, unknown>>
    : {};
  const same = status.conditions.every((one) => {
    const other = before.find(({ type }) => type === one.type);
    return other !== undefined && other.status === one.status &&
      other.reason === one.reason && other.message === one.message &&
      other.observedGeneration === one.observedGeneration &&
      other.lastTransitionTime === one.lastTransitionTime;
  });
  return same && STATUS_FIELDS.every((field) => {
    const was = old[field] ?? undefined;
    return field === "since"
      ? instant(was) === instant(status.since)
      : was === status[field];
  });
}
