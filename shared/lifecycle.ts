/**
 * The life of a program: start, run until a signal, drain, exit code. Decides
 * what a failure that nobody handled means; knows nothing of what is drained.
 *
 * | event | consequence | exit code |
 * |---|---|---|
 * | SIGTERM | is not ready, goes on as before for the delay, then drains | 0 |
 * | SIGINT, which a person sends | is not ready, drains | 0 |
 * | a second one | exits at once | 143 or 130 |
 * | start fails | logged, what was started is drained | 1 |
 * | `fail()`, or a {@linkcode BrokenInvariant} that nobody caught | logged, drains | 1 |
 * | any other rejection or exception that nobody caught | logged, goes on | - |
 *
 * The last row keeps one call's fault from costing all others: such a failure
 * is a defect of one code path, and ending the program would let whoever
 * triggers it end it again and again. Code that finds its own state broken
 * throws {@linkcode BrokenInvariant} instead (`invariant.ts`).
 *
 * @module
 */

import { BrokenInvariant } from "./invariant.ts";
import type { Logger } from "./log.ts";

/** Signals that end a program. */
export type EndSignal = "SIGTERM" | "SIGINT";

/**
 * One thing to do when draining. `deadline` aborts when the time for the whole
 * drain is over; a step that still waits then is left behind.
 */
export type DrainStep = (deadline: AbortSignal) => void | Promise<void>;

/** What a program sees of its own life. */
export interface Lifecycle {
  /**
   * Aborts as soon as the program shall end: it is not ready from then on, so
   * that nobody sends it anything new. What comes all the same, since not
   * everybody knows yet, is served as before until the steps of the drain.
   */
  readonly draining: AbortSignal;
  /**
   * Adds a step to the drain, after those added before: first what takes in
   * work, last what answers readiness probes. A step added while draining is
   * run too.
   */
  onDrain(name: string, step: DrainStep): void;
  /** Ends the program with exit code 1: something essential is gone. */
  fail(reason: string, cause: unknown): void;
}

/** Where signals and failures come from; the process itself unless given. */
export interface ProcessEvents {
  /** Calls `listener` for each of the two signals until `stop` aborts. */
  onSignal(listener: (signal: EndSignal) => void, stop: AbortSignal): void;
  /** Calls `listener` for what nobody caught until `stop` aborts. */
  onUncaught(listener: (failure: unknown) => void, stop: AbortSignal): void;
  /** Ends the process now. */
  exit(code: number): void;
}

/** What {@linkcode runUntilSignal} needs. */
export interface RunOptions {
  /**
   * Starts the program and registers its drain steps as it goes; what it
   * starts keeps running after it has returned.
   */
  readonly start: (life: Lifecycle) => void | Promise<void>;
  /**
   * Seconds between SIGTERM and the first drain step: how long it takes until
   * everybody who sends calls knows that this program is not ready any more.
   * None unless given.
   */
  readonly drainDelaySeconds?: number;
  /** Seconds that all drain steps together may take, behind the delay. */
  readonly drainSeconds: number;
  /** Log of the program. */
  readonly log: Logger;
  /** Told of each failure that nobody caught, for a metric. */
  readonly onUncaught?: (failure: unknown) => void;
  /** Signals and failures; the process's own where left out. */
  readonly events?: ProcessEvents;
}

/**
 * Milliseconds that steps whose turn comes after the deadline get together:
 * enough to close a file, which must happen however long others hung.
 */
const CLOSING_GRACE_MS = 1_000;

/**
 * Runs a program until it shall end, drains it and answers its exit code.
 * `main.ts` ends with `Deno.exit(await runUntilSignal(…))`.
 *
 * @example
 * ```ts ignore
 * Deno.exit(
 *   await runUntilSignal({
 *     drainDelaySeconds: 5,
 *     drainSeconds: 20,
 *     log,
 *     start: (life) => {
 *       const server = Deno.serve(handler);
 *       life.onDrain("listener", () => server.shutdown());
 *     },
 *   }),
 * );
 * ```
 */
export async function runUntilSignal(options: RunOptions): Promise<number> {
  const { log } = options;
  const events = options.events ?? processEvents;
  const draining = new AbortController();
  const over = new AbortController();
  const ended = Promise.withResolvers<Ending>();
  const steps: { name: string; run: DrainStep }[] = [];
  const failed = new AbortController();
  let up = false;

  const end = (code: number, delaySeconds = 0) => {
    draining.abort();
    ended.resolve({ code, delaySeconds });
  };
  const life: Lifecycle = {
    draining: draining.signal,
    onDrain: (name, run) => void steps.push({ name, run }),
    fail: (reason, cause) => {
      log.error(reason, { error: cause });
      failed.abort();
      end(1);
    },
  };

  events.onSignal((signal) => {
    if (draining.signal.aborted) {
      log.warn("exiting at once", { signal });
      events.exit(signal === "SIGTERM" ? 143 : 130);
      return;
    }
    // Somebody at a terminal need not wait for a proxy to notice, and to whom
    // is not up yet nobody sends anything.
    const delay = signal === "SIGTERM" && up
      ? options.drainDelaySeconds ?? 0
      : 0;
    log.info("draining", { signal, delay, seconds: options.drainSeconds });
    end(0, delay);
  }, over.signal);
  events.onUncaught((failure) => {
    options.onUncaught?.(failure);
    if (breaksInvariant(failure)) life.fail("invariant broken", failure);
    else log.error("failure not handled", { error: failure });
  }, over.signal);

  // Keeps the process alive while whatever was started does not.
  const alive = setInterval(() => {}, 2 ** 30);
  try {
    await Promise.race([
      start(options, life).then(() => up = true),
      ended.promise,
    ]);
    const { code: first, delaySeconds } = await ended.promise;
    await pause(delaySeconds, failed.signal);
    await drain(steps, options.drainSeconds * 1000, log);
    // Something essential may go after the signal, in the delay or the drain.
    const code = failed.signal.aborted ? 1 : first;
    log.info("stopped", { code });
    return code;
  } finally {
    clearInterval(alive);
    over.abort();
  }
}

/** How a program ends, and how long before that it goes on as before. */
interface Ending {
  readonly code: number;
  readonly delaySeconds: number;
}

/** Waits, unless something is gone without which it is no use to go on. */
async function pause(seconds: number, failed: AbortSignal): Promise<void> {
  if (seconds === 0 || failed.aborted) return;
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, 1_000 * seconds);
  failed.addEventListener("abort", () => over.resolve(), { once: true });
  await over.promise;
  clearTimeout(timer);
}

/** Never rejects: a start that fails while draining must not go unnoticed. */
async function start(options: RunOptions, life: Lifecycle): Promise<void> {
  try {
    await options.start(life);
  } catch (error) {
    if (life.draining.aborted) {
      options.log.info("start interrupted", { error });
    } else {
      life.fail("start failed", error);
    }
  }
}

/** Runs the steps in order; later ones may be added meanwhile. */
async function drain(
  steps: readonly { readonly name: string; readonly run: DrainStep }[],
  milliseconds: number,
  log: Logger,
): Promise<void> {
  const deadline = new AbortController();
  const grace = new AbortController();
  const timers = [
    setTimeout(() => deadline.abort(), milliseconds),
    setTimeout(() => grace.abort(), milliseconds + CLOSING_GRACE_MS),
  ];
  try {
    for (let i = 0; i < steps.length; i++) {
      const { name, run } = steps[i]!;
      const limit = deadline.signal.aborted ? grace.signal : deadline.signal;
      const outcome = await settle(run, deadline.signal, limit);
      switch (outcome.kind) {
        case "done":
          log.debug("drained", { step: name });
          break;
        case "failed":
          log.error("drain step failed", { step: name, error: outcome.error });
          break;
        case "late":
          log.warn("drain step left behind", { step: name });
          break;
        default:
          outcome satisfies never;
      }
    }
  } finally {
    timers.forEach(clearTimeout);
  }
}

type StepOutcome =
  | { readonly kind: "done" }
  | { readonly kind: "late" }
  | { readonly kind: "failed"; readonly error: unknown };

function settle(
  run: DrainStep,
  deadline: AbortSignal,
  limit: AbortSignal,
): Promise<StepOutcome> {
  return new Promise((resolve) => {
    const late = () => resolve({ kind: "late" });
    // One turn later, so that a step that heeds the deadline counts as done.
    limit.addEventListener("abort", () => setTimeout(late), { once: true });
    if (limit.aborted) setTimeout(late);
    Promise.try(run, deadline).then(
      () => resolve({ kind: "done" }),
      (error) => resolve({ kind: "failed", error }),
    );
  });
}

function breaksInvariant(failure: unknown): boolean {
  let current = failure;
  for (let i = 0; i < 10 && current instanceof Error; i++) {
    if (current instanceof BrokenInvariant) return true;
    current = current.cause;
  }
  return false;
}

const processEvents: ProcessEvents = {
  onSignal(listener, stop) {
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const own = () => listener(signal);
      Deno.addSignalListener(signal, own);
      stop.addEventListener(
        "abort",
        () => Deno.removeSignalListener(signal, own),
      );
    }
  },
  onUncaught(listener, stop) {
    globalThis.addEventListener("unhandledrejection", (event) => {
      event.preventDefault();
      listener(event.reason);
    }, { signal: stop });
    globalThis.addEventListener("error", (event) => {
      event.preventDefault();
      listener(event.error);
    }, { signal: stop });
  },
  exit: Deno.exit,
};
