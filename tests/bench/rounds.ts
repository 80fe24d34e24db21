/**
 * Measures several paths side by side: in each round every path once, in an
 * order that changes from round to round.
 *
 * @module
 */

import { runCampaign } from "./bench_tools.ts";
import { type Campaign, failuresOf, type Outcome } from "./campaign.ts";
import { cpuBetween, type Usage, usageOfAll } from "./process_usage.ts";
import type { PathResult } from "./results.ts";
import { rotated, spread } from "./statistics.ts";
import { messagesSent } from "./world.ts";

/** One of the paths. */
export interface Path {
  /** Its name. */
  readonly name: string;
  /** What clients do on it, but for how long. */
  readonly campaign: Omit<Campaign, "durationMs" | "iterations">;
  /** Processes whose CPU time and memory are looked at, by name. */
  readonly pids: Readonly<Record<string, number>>;
  /** Base URL of the admin interface of an Envoy with a processor. */
  readonly adminUrl?: string;
  /** What is counted and timed: `request` by default, or events of streams. */
  readonly unit?: "request" | "event";
}

/** How long to measure. */
export interface RoundOptions {
  /** Path of the Go programs. */
  readonly tools: string;
  /** Rounds. */
  readonly rounds: number;
  /** Milliseconds of a path in a round. */
  readonly roundMs: number;
}

/** What one path came to in one round. */
export interface Round {
  /** Requests, or events, per second. */
  readonly rate: number;
  /** Microseconds. */
  readonly p50: number;
  /** Microseconds. */
  readonly p99: number;
  /** Microseconds per request, or event, by process. */
  readonly cpu: Readonly<Record<string, number>>;
  /** What clients say. */
  readonly outcome: Outcome;
}

/** What all paths came to, over all rounds. */
export interface Measured {
  /** Rounds by path. */
  readonly rounds: Readonly<Record<string, readonly Round[]>>;
  /** What they sum up to, by path. */
  readonly paths: Readonly<Record<string, PathResult>>;
  /** Requests that failed, warm-up included. */
  readonly failures: number;
  /** What the first of them got. */
  readonly firstFailure?: string;
}

/** Name of the step whose time is a request's. */
export const TIMED = "request";

/** Measures. */
export async function measureRounds(
  paths: readonly Path[],
  options: RoundOptions,
): Promise<Measured> {
  const { rounds, roundMs, tools } = options;
  const outcomes: Outcome[] = [];
  const measured: Record<string, Round[]> = {};
  const messages: Record<string, number> = {};
  // Connections, sessions and code are warm when the first round begins.
  for (const { name, campaign } of paths) {
    measured[name] = [];
    const durationMs = roundMs;
    outcomes.push(await runCampaign(tools, { ...campaign, durationMs }));
  }
  for (let round = 0; round < rounds; round++) {
    for (const path of rotated(paths, round)) {
      const before = await sentBy(path);
      const result = await measure(path, options);
      measured[path.name]!.push(result);
      outcomes.push(result.outcome);
      if (before === undefined) continue;
      messages[path.name] = (await sentBy(path) ?? NaN) - before;
      messages[path.name]! /= result.outcome.requests;
    }
  }
  const summaries = await Promise.all(paths.map(async ({ name, pids }) => [
    name,
    summed(measured[name]!, await usageOfAll(pids), messages[name]),
  ]));
  return {
    rounds: measured,
    paths: Object.fromEntries(summaries),
    ...failuresOf(outcomes),
  };
}

async function sentBy({ adminUrl }: Path): Promise<number | undefined> {
  return adminUrl === undefined ? undefined : await messagesSent(adminUrl);
}

async function measure(
  { campaign, pids, unit = "request" }: Path,
  { tools, roundMs }: RoundOptions,
): Promise<Round> {
  const before = await usageOfAll(pids);
  const outcome = await runCampaign(tools, {
    ...campaign,
    durationMs: roundMs,
  });
  const after = await usageOfAll(pids);
  const timing = outcome.timings[unit === "event" ? "event" : TIMED];
  if (timing === undefined) {
    throw new Error(
      `Cannot measure: no request succeeded. ${outcome.firstFailure ?? ""}`,
    );
  }
  return {
    rate: timing.count / outcome.seconds,
    p50: timing.p50,
    p99: timing.p99,
    cpu: {
      clients: outcome.cpuUs / timing.count,
      ...Object.fromEntries(
        Object.keys(pids).map((name) => [
          name,
          cpuBetween(before[name]!, after[name]!) / timing.count,
        ]),
      ),
    },
    outcome,
  };
}

function summed(
  rounds: readonly Round[],
  now: Readonly<Record<string, Usage>>,
  messages: number | undefined,
): PathResult {
  const of = (value: (round: Round) => number) => spread(rounds.map(value));
  return {
    rate: of(({ rate }) => rate),
    p50: of(({ p50 }) => p50),
    p99: of(({ p99 }) => p99),
    cpu: Object.fromEntries(
      Object.keys(rounds[0]?.cpu ?? {}).map((name) => [
        name,
        of(({ cpu }) => cpu[name]!),
      ]),
    ),
    rss: Object.fromEntries(
      Object.entries(now).map(([name, { rss }]) => [name, rss]),
    ),
    ...(messages === undefined ? {} : { messages }),
    requests: rounds.reduce((sum, { outcome }) => sum + outcome.requests, 0),
  };
}
