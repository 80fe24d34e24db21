/**
 * Metrics in memory and their exposition in Prometheus' text format. Decides
 * how many series one metric may have; never reaches the network.
 *
 * Our own instead of a package: the format is small, the usual client costs
 * more to import than all of this program's own code, and a bound on series
 * that clients' input creates is needed anyway.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 *
 * @example
 * ```ts
 * import { assertStringIncludes } from "@std/assert";
 * import { Metrics } from "./telemetry.ts";
 *
 * const metrics = new Metrics();
 * const calls = metrics.counter("mcp_gateway_calls_total", "Calls by server.", [
 *   "server",
 * ]);
 * calls.labels({ server: "weather" }).inc();
 * const { body } = await metrics.expose();
 * assertStringIncludes(body, 'mcp_gateway_calls_total{server="weather"} 1\n');
 * ```
 *
 * @module
 */

import { COMMIT, VERSION } from "./version.ts";

/** A number that only grows. */
export interface Counter {
  /** Adds `by`, 1 where left out; throws RangeError where it is negative. */
  inc(by?: number): void;
}

/** A number that comes and goes. */
export interface Gauge {
  /** Replaces the value. */
  set(value: number): void;
  /** Adds `by`, 1 where left out. */
  inc(by?: number): void;
  /** Subtracts `by`, 1 where left out. */
  dec(by?: number): void;
}

/** Observations, counted by size. */
export interface Histogram {
  /** Counts one observation, in the metric's base unit. */
  observe(value: number): void;
}

/** The metrics of one name, one for each set of label values. */
export interface Family<L extends string, M> {
  /**
   * The metric with these label values; worth keeping on a hot path. Beyond
   * {@linkcode MAX_SERIES} sets, new ones share one metric whose label values
   * are all `_other`.
   */
  labels(values: Readonly<Record<L, string>>): M;
  /** Forgets one set of label values, so that it is exposed no longer. */
  remove(values: Readonly<Record<L, string>>): void;
  /** Forgets all sets, for gauges that are filled anew before each exposition. */
  clear(): void;
}

/** Sets of label values one metric may have. */
export const MAX_SERIES = 1_000;

/** Label value of whatever came when there were too many sets already. */
export const OTHER = "_other";

/** Upper bounds in seconds, for what users wait for. */
export const LATENCY_BUCKETS: readonly number[] = [
  0.001,
  0.0025,
  0.005,
  0.01,
  0.025,
  0.05,
  0.1,
  0.25,
  0.5,
  1,
  2.5,
  5,
  10,
  30,
];

/** What `/metrics` answers. */
export interface Exposition {
  /** Value of the `content-type` header. */
  readonly contentType: string;
  /** The text. */
  readonly body: string;
}

/** All metrics of a program. */
export class Metrics {
  readonly #families = new Map<string, Series<string, Cell>>();
  readonly #collectors: (() => void | Promise<void>)[] = [];
  readonly #failures: Counter;

  /** Builds an empty set of metrics. */
  constructor() {
    this.#failures = this.counter(
      "mcp_gateway_metrics_failures_total",
      "Collectors that failed: their metrics are older than they seem.",
    );
  }

  /** Adds a counter; its name ends in `_total`. */
  counter(name: string, help: string): Counter;
  /** Adds a counter with labels. */
  counter<L extends string>(
    name: string,
    help: string,
    labels: readonly L[],
  ): Family<L, Counter>;
  counter(
    name: string,
    help: string,
    labels?: readonly string[],
  ): Counter | Family<string, Counter> {
    if (!name.endsWith("_total")) {
      throw new TypeError(`Cannot add counter ${name}: want NAME_total`);
    }
    return this.#add(name, help, "counter", labels, () => new CounterCell());
  }

  /** Adds a gauge. */
  gauge(name: string, help: string): Gauge;
  /** Adds a gauge with labels. */
  gauge<L extends string>(
    name: string,
    help: string,
    labels: readonly L[],
  ): Family<L, Gauge>;
  gauge(
    name: string,
    help: string,
    labels?: readonly string[],
  ): Gauge | Family<string, Gauge> {
    return this.#add(name, help, "gauge", labels, () => new GaugeCell());
  }

  /**
   * Adds a histogram.
   *
   * @param buckets Ascending upper bounds; `+Inf` is added.
   */
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
  ): Histogram;
  /** Adds a histogram with labels. */
  histogram<L extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels: readonly L[],
  ): Family<L, Histogram>;
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly string[],
  ): Histogram | Family<string, Histogram> {
    if (buckets.some((bound, i) => !(bound > (buckets[i - 1] ?? -Infinity)))) {
      throw new RangeError(`Cannot add histogram ${name}: want rising buckets`);
    }
    const create = () => new HistogramCell(buckets);
    return this.#add(name, help, "histogram", labels, create);
  }

  /**
   * Runs `collector` before each exposition, to set what is only known by
   * looking. Where it fails, older values are exposed and the failure counted.
   */
  onExpose(collector: () => void | Promise<void>): void {
    this.#collectors.push(collector);
  }

  /** Writes all metrics, in the order they were added. Never rejects. */
  async expose(): Promise<Exposition> {
    await Promise.all(this.#collectors.map(async (collect) => {
      try {
        await collect();
      } catch {
        this.#failures.inc();
      }
    }));
    const lines: string[] = [];
    for (const family of this.#families.values()) family.write(lines);
    return {
      contentType: "text/plain; version=0.0.4; charset=utf-8",
      body: lines.join("\n") + "\n",
    };
  }

  #add<M extends Cell>(
    name: string,
    help: string,
    type: string,
    labels: readonly string[] | undefined,
    create: () => M,
  ): M | Family<string, M> {
    if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) {
      throw new TypeError(`Cannot add metric: its name is "${name}"`);
    }
    if (this.#families.has(name)) {
      throw new TypeError(`Cannot add metric ${name}: it is there already`);
    }
    for (const label of labels ?? []) {
      if (!/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label) || label === "le") {
        throw new TypeError(`Cannot add metric ${name}: a label is "${label}"`);
      }
    }
    const series = new Series<string, M>(
      name,
      help,
      type,
      labels ?? [],
      create,
    );
    this.#families.set(name, series);
    return labels === undefined ? series.labels({}) : series;
  }
}

/** Facts about the process that {@linkcode addProcessMetrics} reads. */
export interface ProcessFacts {
  /** Name of the program. */
  readonly program: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Bytes, as `Deno.memoryUsage()` tells them. */
  readonly memory: () => {
    readonly rss: number;
    readonly heapUsed: number;
    readonly external: number;
  };
}

/** Adds build, uptime and memory of the process. */
export function addProcessMetrics(metrics: Metrics, facts: ProcessFacts): void {
  const startedAt = facts.now();
  const { program } = facts;
  metrics.gauge("mcp_gateway_build_info", "Always 1; the build is in labels.", [
    "program",
    "version",
    "commit",
  ]).labels({ program, version: VERSION, commit: COMMIT }).set(1);
  metrics.gauge(
    "process_start_time_seconds",
    "When the process started, in seconds since the epoch.",
  ).set(startedAt / 1000);
  const uptime = metrics.gauge(
    "process_uptime_seconds",
    "Seconds since the process started.",
  );
  const resident = metrics.gauge(
    "process_resident_memory_bytes",
    "Memory of the process.",
  );
  const heap = metrics.gauge(
    "process_heap_bytes",
    "JavaScript heap in use.",
  );
  const external = metrics.gauge(
    "process_external_memory_bytes",
    "Memory of buffers outside the JavaScript heap.",
  );
  metrics.onExpose(() => {
    const memory = facts.memory();
    uptime.set((facts.now() - startedAt) / 1000);
    resident.set(memory.rss);
    heap.set(memory.heapUsed);
    external.set(memory.external);
  });
}

/** One metric with its label values, as it is stored. */
interface Cell {
  /** Writes its samples; `pairs` is `a="b",c="d"`, or "" without labels. */
  write(name: string, pairs: string, lines: string[]): void;
}

class Series<L extends string, M extends Cell> implements Family<L, M> {
  readonly #cells = new Map<string, M>();
  readonly #name: string;
  readonly #help: string;
  readonly #type: string;
  readonly #labels: readonly L[];
  readonly #create: () => M;

  constructor(
    name: string,
    help: string,
    type: string,
    labels: readonly L[],
    create: () => M,
  ) {
    this.#name = name;
    this.#help = help;
    this.#type = type;
    this.#labels = labels;
    this.#create = create;
  }

  labels(values: Readonly<Record<L, string>>): M {
    const pairs = this.#pairs((label) => values[label]);
    return this.#cells.get(pairs) ?? this.#open(
      this.#cells.size < MAX_SERIES ? pairs : this.#pairs(() => OTHER),
    );
  }

  remove(values: Readonly<Record<L, string>>): void {
    this.#cells.delete(this.#pairs((label) => values[label]));
  }

  clear(): void {
    this.#cells.clear();
  }

  write(lines: string[]): void {
    lines.push(`# HELP ${this.#name} ${escapeHelp(this.#help)}`);
    lines.push(`# TYPE ${this.#name} ${this.#type}`);
    for (const [pairs, cell] of this.#cells) {
      cell.write(this.#name, pairs, lines);
    }
  }

  #open(pairs: string): M {
    const known = this.#cells.get(pairs);
    if (known !== undefined) return known;
    const cell = this.#create();
    this.#cells.set(pairs, cell);
    return cell;
  }

  /** Also the key: escaping keeps different values apart. */
  #pairs(valueOf: (label: L) => string): string {
    return this.#labels
      .map((label) => `${label}="${escapeLabel(valueOf(label))}"`)
      .join(",");
  }
}

class CounterCell implements Cell, Counter {
  #value = 0;

  inc(by = 1): void {
    if (!(by >= 0)) throw new RangeError(`Cannot count by ${by}`);
    this.#value += by;
  }

  write(name: string, pairs: string, lines: string[]): void {
    lines.push(sample(name, pairs, this.#value));
  }
}

class GaugeCell implements Cell, Gauge {
  #value = 0;

  set(value: number): void {
    this.#value = value;
  }

  inc(by = 1): void {
    this.#value += by;
  }

  dec(by = 1): void {
    this.#value -= by;
  }

  write(name: string, pairs: string, lines: string[]): void {
    lines.push(sample(name, pairs, this.#value));
  }
}

class HistogramCell implements Cell, Histogram {
  readonly #bounds: readonly number[];
  /** Observations per bucket, not cumulated; the last one is `+Inf`. */
  readonly #counts: number[];
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = new Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const found = this.#bounds.findIndex((bound) => value <= bound);
    const bucket = found === -1 ? this.#bounds.length : found;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
  }

  write(name: string, pairs: string, lines: string[]): void {
    const before = pairs === "" ? "" : `${pairs},`;
    let count = 0;
    for (const [i, own] of this.#counts.entries()) {
      count += own;
      const bound = formatNumber(this.#bounds[i] ?? Infinity);
      lines.push(sample(`${name}_bucket`, `${before}le="${bound}"`, count));
    }
    lines.push(sample(`${name}_sum`, pairs, this.#sum));
    lines.push(sample(`${name}_count`, pairs, count));
  }
}

function sample(name: string, pairs: string, value: number): string {
  return `${name}${pairs === "" ? "" : `{${pairs}}`} ${formatNumber(value)}`;
}

function formatNumber(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value); // NaN is NaN in the format too
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
