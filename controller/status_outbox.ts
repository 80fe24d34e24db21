/**
 * Statuses that wait to be written, of each object the latest: a thousand of
 * them take a while, in which the next plan need not wait. What fails for one
 * fails for it alone, and waits for the next time, unless a newer plan has
 * decided about it.
 *
 * @module
 */

import { FencedError, type KubeClient } from "../shared/kube/client.ts";
import { CarryOutError } from "./carry_out.ts";
import type { EventRecorder } from "./kube/event_recorder.ts";
import { mergeConditions, writeStatus } from "./kube/write_status.ts";
import { STATUS_KINDS } from "./observe/kinds.ts";
import type { Observer } from "./observe/observer.ts";
import { statusMembers, type StatusPlan } from "./plan/status_plan.ts";
import { type Condition, readConditions } from "./resources/condition.ts";
import { Fields } from "./resources/fields.ts";
import { keyOf } from "./resources/meta.ts";

/** What is needed to write statuses. */
export interface StatusOutboxOptions {
  /** What was observed. */
  readonly observer: Pick<Observer, "object">;
  /** Writes; behind the fence of whoever leads. */
  readonly client: Pick<KubeClient, "get" | "patchStatus">;
  /** Writes events; behind the same fence. */
  readonly events: Pick<EventRecorder, "record">;
}

/** A status that waits. */
interface Waiting {
  readonly plan: StatusPlan;
  /** The moment that was planned at, RFC 3339. */
  readonly now: string;
  /** Number of the plan. */
  readonly round: number;
}

/** Statuses that are written at the same time. */
const ABREAST = 8;

/** Keeps statuses until they are written. */
export class StatusOutbox {
  readonly #options: StatusOutboxOptions;
  #waiting = new Map<string, Waiting>();
  /** Being written now: what a newer plan says of them comes afterwards. */
  readonly #underWay = new Set<string>();
  #round = 0;

  /** Takes what it needs; writes when it is told to. */
  constructor(options: StatusOutboxOptions) {
    this.#options = options;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Takes the statuses of a plan. What earlier ones said and nobody has written
   * yet is forgotten: the newer one has it, or found it to be so already.
   */
  put(plans: readonly StatusPlan[], now: string): void {
    const round = ++this.#round;
    this.#waiting = new Map(
      plans.filter(({ changed }) => changed).map((plan) => [
        `${plan.kind} ${keyOf(plan.meta)}`,
        { plan, now, round },
      ]),
    );
  }

  /** Forgets all: another replica leads. */
  clear(): void {
    this.put([], "");
  }

  /**
   * Writes what waits, and what comes meanwhile.
   *
   * @returns How many were written.
   * @throws {CarryOutError} If some of it failed; the rest is done.
   * @throws {FencedError} If we lead no more; nothing was begun since.
   */
  async send(signal: AbortSignal): Promise<number> {
    const failures: unknown[] = [];
    const failed: [string, Waiting][] = [];
    let written = 0;
    const work = async () => {
      for (let next = this.#take(); next; next = this.#take()) {
        signal.throwIfAborted();
        const [key, one] = next;
        this.#underWay.add(key);
        try {
          if (await this.#write(one, signal)) written++;
        } catch (error) {
          if (error instanceof FencedError) throw error;
          failures.push(error);
          failed.push(next);
        } finally {
          this.#underWay.delete(key);
        }
      }
    };
    await Promise.all(Array.from({ length: ABREAST }, work));
    for (const [key, one] of failed) {
      if (one.round === this.#round) this.#waiting.set(key, one);
    }
    if (failures.length > 0) throw new CarryOutError(failures);
    return written;
  }

  #take(): [string, Waiting] | undefined {
    for (const next of this.#waiting) {
      if (this.#underWay.has(next[0])) continue;
      this.#waiting.delete(next[0]);
      return next;
    }
    return undefined;
  }

  async #write(
    { plan: { kind, meta, status, transitions }, now }: Waiting,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { observer, client, events } = this.#options;
    const resource = STATUS_KINDS[kind];
    const known = observer.object(resource, meta);
    // Planned from another one: there is news of that.
    if (
      known === undefined || known.metadata.uid !== meta.uid ||
      known.metadata.generation !== meta.generation
    ) return false;
    const types = status.conditions.map(({ type }) => type);
    const outcome = await writeStatus(client, resource, known, (live) => ({
      ...statusMembers(status),
      conditions: mergeConditions(
        readConditions(new Fields(live, [])),
        status.conditions,
        types,
        now,
      ),
    }), signal);
    if (outcome.kind !== "changed") return false;
    for (const { before, after } of transitions) {
      // That something new is as it should be, its status says.
      if (before === undefined && after.status !== "False") continue;
      events.record({
        regarding: outcome.after,
        type: after.status === "False" ? "Warning" : "Normal",
        reason: after.reason,
        action: "Reconcile",
        note: eventNote(after),
      });
    }
    return true;
  }
}

function eventNote({ type, status, message }: Condition): string {
  return `${type} is ${status}: ${message}`;
}
