import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  addProcessMetrics,
  LATENCY_BUCKETS,
  MAX_SERIES,
  Metrics,
} from "./telemetry.ts";

/** The lines about one metric. */
async function exposed(metrics: Metrics, name: string): Promise<string[]> {
  const { body } = await metrics.expose();
  assert(body.endsWith("\n"));
  return body.split("\n").filter((line) => line.includes(name));
}

Deno.test("Metrics.expose() writes a counter, zero included", async () => {
  const metrics = new Metrics();
  const calls = metrics.counter("calls_total", "Calls.");
  assertEquals(await exposed(metrics, "calls_total"), [
    "# HELP calls_total Calls.",
    "# TYPE calls_total counter",
    "calls_total 0",
  ]);
  calls.inc();
  calls.inc(2.5);
  assertEquals(
    (await exposed(metrics, "calls_total")).at(-1),
    "calls_total 3.5",
  );
});

Deno.test("Metrics.expose() says what format it is in", async () => {
  const { contentType } = await new Metrics().expose();
  assertEquals(contentType, "text/plain; version=0.0.4; charset=utf-8");
});

Deno.test("Metrics.counter() refuses to go down", () => {
  const calls = new Metrics().counter("calls_total", "Calls.");
  assertThrows(() => calls.inc(-1), RangeError);
  assertThrows(() => calls.inc(Number.NaN), RangeError);
});

Deno.test("Metrics.gauge() goes up and down, and takes labels in any order", async () => {
  const metrics = new Metrics();
  const open = metrics.gauge("open", "Open.", ["server", "era"]);
  open.labels({ server: "a", era: "session" }).set(5);
  open.labels({ era: "session", server: "a" }).dec(2);
  open.labels({ server: "b", era: "stateless" }).inc();
  assertEquals(await exposed(metrics, "open{"), [
    'open{server="a",era="session"} 3',
    'open{server="b",era="stateless"} 1',
  ]);
  open.remove({ server: "a", era: "session" });
  assertEquals((await exposed(metrics, "open{")).length, 1);
  open.clear();
  assertEquals(await exposed(metrics, "open{"), []);
});

for (
  const { value, want } of [
    { value: 0.1, want: "0.1" },
    { value: 1e21, want: "1e+21" },
    { value: Infinity, want: "+Inf" },
    { value: -Infinity, want: "-Inf" },
    { value: NaN, want: "NaN" },
  ]
) {
  Deno.test(`Metrics.expose() writes ${value} as ${want}`, async () => {
    const metrics = new Metrics();
    metrics.gauge("g", "G.").set(value);
    assertEquals((await exposed(metrics, "g ")).at(-1), `g ${want}`);
  });
}

Deno.test("Metrics.expose() escapes help and label values", async () => {
  const metrics = new Metrics();
  const family = metrics.counter("c_total", 'a\\b\n"c"', ["l"]);
  family.labels({ l: 'a\\b\n"c"' }).inc();
  assertEquals(await exposed(metrics, "c_total"), [
    '# HELP c_total a\\\\b\\n"c"',
    "# TYPE c_total counter",
    'c_total{l="a\\\\b\\n\\"c\\""} 1',
  ]);
});

Deno.test("Metrics.histogram() cumulates buckets, bounds belonging to the lower one", async () => {
  const metrics = new Metrics();
  const family = metrics.histogram("h_seconds", "H.", [0.1, 1], ["s"]);
  const cell = family.labels({ s: "x" });
  for (const value of [0.05, 0.1, 0.5, 1, 2]) cell.observe(value);
  assertEquals((await exposed(metrics, "h_seconds")).slice(1), [
    "# TYPE h_seconds histogram",
    'h_seconds_bucket{s="x",le="0.1"} 2',
    'h_seconds_bucket{s="x",le="1"} 4',
    'h_seconds_bucket{s="x",le="+Inf"} 5',
    'h_seconds_sum{s="x"} 3.65',
    'h_seconds_count{s="x"} 5',
  ]);
});

Deno.test("Metrics.histogram() without labels writes le alone", async () => {
  const metrics = new Metrics();
  metrics.histogram("h", "H.", LATENCY_BUCKETS).observe(0.002);
  const lines = await exposed(metrics, "h_");
  assertEquals(lines[0], 'h_bucket{le="0.001"} 0');
  assertEquals(lines[1], 'h_bucket{le="0.0025"} 1');
  assertEquals(lines.slice(-2), ["h_sum 0.002", "h_count 1"]);
});

Deno.test("Metrics refuses names that a scraper would, and the same name twice", () => {
  const metrics = new Metrics();
  metrics.gauge("taken", "T.");
  assertThrows(() => metrics.gauge("taken", "T."), TypeError, "already");
  assertThrows(() => metrics.gauge("a-b", "T."), TypeError, '"a-b"');
  assertThrows(() => metrics.counter("calls", "T."), TypeError, "_total");
  assertThrows(() => metrics.gauge("g", "T.", ["a-b"]), TypeError, '"a-b"');
  assertThrows(() => metrics.gauge("g", "T.", ["le"]), TypeError, '"le"');
  assertThrows(() => metrics.histogram("h", "T.", [1, 1]), RangeError);
});

Deno.test("Family.labels() folds what exceeds the bound into one series", async () => {
  const metrics = new Metrics();
  const family = metrics.counter("c_total", "C.", ["tool"]);
  for (let i = 0; i < MAX_SERIES + 50; i++) {
    family.labels({ tool: `t${i}` }).inc();
  }
  family.labels({ tool: "t0" }).inc(); // known ones go on counting
  const lines = await exposed(metrics, "c_total{");
  assertEquals(lines.length, MAX_SERIES + 1);
  assertEquals(lines[0], 'c_total{tool="t0"} 2');
  assertEquals(lines.at(-1), 'c_total{tool="_other"} 50');
});

Deno.test("Metrics.onExpose() waits for collectors and survives those that fail", async () => {
  const metrics = new Metrics();
  const gauge = metrics.gauge("g", "G.");
  metrics.onExpose(async () => {
    await Promise.resolve();
    gauge.set(7);
  });
  metrics.onExpose(() => {
    throw new Error("no");
  });
  metrics.onExpose(() => Promise.reject(new Error("no")));
  assertEquals((await exposed(metrics, "g ")).at(-1), "g 7");
  assertEquals(
    (await exposed(metrics, "failures_total ")).at(-1),
    "mcp_gateway_metrics_failures_total 4",
  );
});

Deno.test("addProcessMetrics() tells build, uptime and memory", async () => {
  const metrics = new Metrics();
  let now = 1_000_000;
  addProcessMetrics(metrics, {
    program: "router",
    now: () => now,
    memory: () => ({ rss: 1, heapUsed: 2, external: 3 }),
  });
  now += 2_500;
  const { body } = await metrics.expose();
  const samples = body.split("\n").filter((line) =>
    line !== "" && !line.startsWith("#")
  );
  assertEquals(samples, [
    "mcp_gateway_metrics_failures_total 0",
    'mcp_gateway_build_info{program="router",version="0.1.0",commit="unknown"} 1',
    "process_start_time_seconds 1000",
    "process_uptime_seconds 2.5",
    "process_resident_memory_bytes 1",
    "process_heap_bytes 2",
    "process_external_memory_bytes 3",
  ]);
});
