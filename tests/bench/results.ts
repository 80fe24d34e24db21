/**
 * What a benchmark found out: the form of its JSON file.
 *
 * @module
 */

import type { Spread } from "./statistics.ts";

/** What a figure has to be, by the project's own goals. */
export interface Target {
  /** At least this. */
  readonly atLeast?: number;
  /** At most this. */
  readonly atMost?: number;
}

/** One number, and over how many rounds it is the median. */
export interface Figure extends Spread {
  /** What it is: `calls per second, gateway / go`. */
  readonly what: string;
  /** Its unit: `ms`; "" for a ratio. */
  readonly unit: string;
  /** Goal, where there is one. */
  readonly target?: Target;
}

/** What one path came to. */
export interface PathResult {
  /** Requests (of streams: events) per second. */
  readonly rate: Spread;
  /** Microseconds until an answer; of streams: until an event. */
  readonly p50: Spread;
  /** The same, which one of a hundred exceeds. */
  readonly p99: Spread;
  /** Microseconds of CPU per request (of streams: per event), by process. */
  readonly cpu: Readonly<Record<string, Spread>>;
  /** Bytes in RAM after the last round, by process. */
  readonly rss: Readonly<Record<string, number>>;
  /** Messages that Envoy sent to its processor per request, where it did. */
  readonly messages?: number;
  /** Requests that were answered as they had to be, in all rounds. */
  readonly requests: number;
}

/** What one cell came to. */
export interface CellResult {
  /** Its name: `call/session/prefixed/300B/16`. */
  readonly cell: string;
  /** What is measured, a sentence. */
  readonly about: string;
  /** What is compared, by path; none where one thing is measured. */
  readonly paths: Readonly<Record<string, PathResult>>;
  /** What is to be read from it. */
  readonly figures: readonly Figure[];
  /** Requests that failed, warm-up included. */
  readonly failures: number;
  /** What the first of them got. */
  readonly firstFailure?: string;
  /** Seconds that it took. */
  readonly seconds: number;
}

/** What it ran on. */
export interface Machine {
  /** Model of the CPU. */
  readonly cpu: string;
  /** Cores that the processes share. */
  readonly cores: number;
  /** Bytes of RAM. */
  readonly memory: number;
  /** System and its release. */
  readonly system: string;
  /** Load average of the minute before. */
  readonly load: number;
  /** Versions of what ran, by name. */
  readonly versions: Readonly<Record<string, string>>;
}

/** A run. */
export interface BenchResult {
  /** When it began, ISO 8601. */
  readonly at: string;
  /** How it was asked for. */
  readonly command: string;
  /** What it ran on. */
  readonly machine: Machine;
  /** Rounds of each cell, and milliseconds of one path in one of them. */
  readonly rounds: number;
  /** See there. */
  readonly roundMs: number;
  /** What was measured. */
  readonly cells: readonly CellResult[];
}

/**
 * Tells whether a machine has so much to do already, by its load before, that
 * what is measured on it says little.
 */
export function isBusy({ load, cores }: Machine): boolean {
  return load > cores / 4;
}

/** Tells whether a figure is what it has to be; undefined without a target. */
export function isMet({ median, target }: Figure): boolean | undefined {
  if (target === undefined) return undefined;
  return median >= (target.atLeast ?? -Infinity) &&
    median <= (target.atMost ?? Infinity);
}
