/**
 * What is to be done, by key: once however often it was asked for, one after
 * the other, again after a failure. Knows nothing of what is done.
 *
 * A burst of requests for a key is one: it is done when none came for
 * `debounceMs`, or `capMs` after the first. A key that is asked for while it
 * is being done is done once more. After a failure it waits, longer each time;
 * being asked for again shortens the wait, since what failed may have been
 * put right, but not below the first one.
 *
 * The queue is as long as there are keys: whoever adds them bounds it.
 *
 * @module
 */

import { type BackoffBounds, backoffMs } from "../../shared/backoff.ts";
import type { Logger } from "../../shared/log.ts";
import type { Wait } from "../../shared/wait_on_timer.ts";

/** What comes of doing something. */
export interface WorkOutcome {
  /** Milliseconds after which it is to be done again, asked for or not. */
  readonly againMs?: number;
}

/** How the queue works; milliseconds. */
export interface WorkTiming {
  /** Quiet time after which a key is due. */
  readonly debounceMs: number;
  /** Time after the first request at which it is due, quiet or not. */
  readonly capMs: number;
  /** Pauses after failures. */
  readonly backoff: BackoffBounds;
}

/** What holds unless something else is given. */
export const WORK_TIMING: WorkTiming = {
  debounceMs: 50,
  capMs: 500,
  backoff: { firstMs: 200, maxMs: 30_000 },
};

/** What a queue needs. */
export interface WorkQueueOptions {
  /** Does what a key stands for. What it throws is a failure. */
  readonly work: (
    key: string,
    signal: AbortSignal,
  ) => Promise<WorkOutcome | void>;
  /** How many keys are worked on at a time. Default 1. */
  readonly concurrency?: number;
  /** Milliseconds from any start, never backwards. */
  readonly now: () => number;
  /** Waits. */
  readonly wait: Wait;
  /** At least 0, below 1. */
  readonly random: () => number;
  /** Log. */
  readonly log: Logger;
  /** Timing. */
  readonly timing?: WorkTiming;
}

/** A key that waits, or is being worked on. */
interface Item {
  /** When it is to be done; undefined while nobody asked since it was begun. */
  dueAt: number | undefined;
  /** When it was first asked for since it was begun. */
  firstAt: number | undefined;
  /** In a row. */
  failures: number;
  /** Before this it is not due. */
  notBefore: number;
  running: boolean;
}

/** How a queue is doing. */
export interface WorkCounts {
  /** Keys that wait. */
  readonly waiting: number;
  /** Keys being worked on. */
  readonly running: number;
  /** Keys whose last attempt failed. */
  readonly failing: number;
  /** Attempts so far. */
  readonly attempts: number;
  /** Failed attempts so far. */
  readonly failures: number;
}

/** One de-duplicating queue. */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #timing: WorkTiming;
  readonly #concurrency: number;
  readonly #items = new Map<string, Item>();
  readonly #running = new Set<Promise<void>>();
  #attempts = 0;
  #failures = 0;
  /** Aborted when there is a reason to look again. */
  #bell = new AbortController();

  /** Takes what it needs; works when it is run. */
  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#timing = options.timing ?? WORK_TIMING;
    this.#concurrency = options.concurrency ?? 1;
  }

  /** How it is doing. */
  get counts(): WorkCounts {
    const items = [...this.#items.values()];
    return {
      waiting: items.filter(({ dueAt }) => dueAt !== undefined).length,
      running: this.#running.size,
      failing: items.filter(({ failures }) => failures > 0).length,
      attempts: this.#attempts,
      failures: this.#failures,
    };
  }

  /** Asks for something to be done. */
  add(key: string): void {
    const now = this.#options.now();
    const item = this.#item(key);
    item.firstAt ??= now;
    item.dueAt = Math.max(
      item.notBefore,
      Math.min(
        now + this.#timing.debounceMs,
        item.firstAt + this.#timing.capMs,
      ),
    );
    this.#ring();
  }

  /**
   * Asks for something to be done after a while, unless it is asked for before:
   * there is no hurry, and it may be asked for often.
   */
  addLater(key: string, afterMs: number): void {
    const item = this.#item(key);
    if (item.dueAt !== undefined) return;
    item.dueAt = Math.max(item.notBefore, this.#options.now() + afterMs);
    this.#ring();
  }

  /** Works until the signal is aborted and what was begun is done. */
  async run(signal: AbortSignal): Promise<void> {
    const ring = () => this.#ring();
    signal.addEventListener("abort", ring);
    while (!signal.aborted) {
      // Before looking, so that no ring is lost.
      this.#bell = new AbortController();
      const waitMs = this.#beginDue(signal);
      await this.#options.wait(waitMs, this.#bell.signal);
    }
    signal.removeEventListener("abort", ring);
    await Promise.all(this.#running);
  }

  #ring(): void {
    this.#bell.abort();
  }

  #item(key: string): Item {
    let item = this.#items.get(key);
    if (item === undefined) {
      item = {
        dueAt: undefined,
        firstAt: undefined,
        failures: 0,
        notBefore: 0,
        running: false,
      };
      this.#items.set(key, item);
    }
    return item;
  }

  /** Begins what is due. @returns Milliseconds until something may be. */
  #beginDue(signal: AbortSignal): number {
    const now = this.#options.now();
    const waiting = [...this.#items].flatMap(([key, item]) =>
      item.dueAt === undefined || item.running
        ? []
        : [{ key, item, dueAt: item.dueAt }]
    ).sort((a, b) => a.dueAt - b.dueAt);
    for (const { key, item, dueAt } of waiting) {
      // The end of what is running rings the bell.
      if (this.#running.size >= this.#concurrency) return FOREVER_MS;
      if (dueAt > now) return dueAt - now;
      const done = this.#attempt(key, item, signal).finally(() => {
        this.#running.delete(done);
        this.#ring();
      });
      this.#running.add(done);
    }
    return FOREVER_MS;
  }

  async #attempt(key: string, item: Item, signal: AbortSignal): Promise<void> {
    const { work, now, random, log } = this.#options;
    item.dueAt = undefined;
    item.firstAt = undefined;
    item.notBefore = 0;
    item.running = true;
    this.#attempts++;
    try {
      const { againMs } = await work(key, signal) ?? {};
      item.failures = 0;
      if (againMs !== undefined) item.dueAt ??= now() + againMs;
    } catch (error) {
      if (signal.aborted) return;
      const { backoff } = this.#timing;
      item.failures++;
      this.#failures++;
      const waitMs = backoffMs(item.failures, random(), backoff);
      // Asked for meanwhile or later, it need not wait that long.
      item.notBefore = now() + Math.min(waitMs, backoff.firstMs);
      item.dueAt = item.dueAt === undefined
        ? now() + waitMs
        : Math.max(item.dueAt, item.notBefore);
      log.warn("work failed", {
        key,
        failures: item.failures,
        againInMs: Math.round(waitMs),
        error,
      });
    } finally {
      item.running = false;
      if (item.dueAt === undefined) this.#items.delete(key);
    }
  }
}

/** Until the bell rings. A timer takes no more than 2^31. */
const FOREVER_MS = 3_600_000;
