/**
 * `deno task test`: runs every check and every test, shows their output as it
 * comes and ends with one plain line that counts all tests:
 * `N passed, N failed`.
 *
 * First the gate, which keeps every core busy; then what is left in two lanes
 * side by side, as most of it waits for something. Lines of a lane begin with
 * its task.
 *
 * @module
 */

import { TextLineStream } from "../../shared/local/text_lines.ts";
import { PROJECT_DIR } from "./paths.ts";
import { countTests, NO_TESTS, type TestCount } from "./summary.ts";

/** One command of the run. */
interface Step {
  /** Task of deno.json. */
  readonly task: string;
  /** Milliseconds after which the step is ended and counts as failed. */
  readonly timeoutMs: number;
  /** Set where it only prepares what others need: it has no tests. */
  readonly prepares?: true;
}

const MINUTE = 60_000;
/** What runs alone, one after the other. */
const FIRST: readonly Step[] = [
  { task: "ok", timeoutMs: 10 * MINUTE },
  // The first time on a machine, it builds an API server, istiod and Envoy
  // Gateway from their sources.
  { task: "prepare:control-plane", timeoutMs: 60 * MINUTE, prepares: true },
];
/** What runs side by side, each lane one after the other. */
const LANES: readonly (readonly Step[])[] = [
  [
    { task: "test:data-plane", timeoutMs: 30 * MINUTE },
    { task: "test:faults", timeoutMs: 15 * MINUTE },
  ],
  [
    { task: "test:control-plane", timeoutMs: 20 * MINUTE },
    { task: "test:conformance", timeoutMs: 15 * MINUTE },
    { task: "test:stores", timeoutMs: 10 * MINUTE },
    { task: "test:executables", timeoutMs: 15 * MINUTE },
    { task: "test:vm", timeoutMs: 10 * MINUTE },
    { task: "test:bench", timeoutMs: 10 * MINUTE },
  ],
];

interface Outcome extends Step {
  readonly success: boolean;
  readonly count: TestCount;
  readonly seconds: number;
}

async function run(step: Step, prefix = ""): Promise<Outcome> {
  const { task, timeoutMs } = step;
  console.log(`\n── deno task ${task}`);
  const startedAt = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", task],
    cwd: PROJECT_DIR,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(timeoutMs),
  }).spawn();
  const [stdout] = await Promise.all([
    show(child.stdout, (line) => console.log(prefix + line)),
    show(child.stderr, (line) => console.error(prefix + line)),
  ]);
  const { success } = await child.status;
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  return { ...step, success, count: countTests(stdout), seconds };
}

/** Passes lines on as they come, and returns them. */
async function show(
  from: ReadableStream<Uint8Array<ArrayBuffer>>,
  print: (line: string) => void,
): Promise<string> {
  const lines: string[] = [];
  const text = from.pipeThrough(new TextDecoderStream());
  for await (const line of text.pipeThrough(new TextLineStream())) {
    print(line);
    lines.push(line);
  }
  return lines.join("\n");
}

async function runLane(steps: readonly Step[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const step of steps) {
    outcomes.push(await run(step, `${step.task.padEnd(18)} | `));
  }
  return outcomes;
}

async function main(): Promise<number> {
  const outcomes: Outcome[] = [];
  for (const step of FIRST) outcomes.push(await run(step));
  outcomes.push(...(await Promise.all(LANES.map(runLane))).flat());

  console.log("");
  for (const { task, success, count, seconds } of outcomes) {
    const word = success ? "ok" : "FAILED";
    console.log(
      `${task}: ${word}, ${count.passed} passed, ${count.failed} failed, ${seconds} s`,
    );
  }
  const total = outcomes.reduce((sum, { count }) => ({
    passed: sum.passed + count.passed,
    failed: sum.failed + count.failed,
  }), NO_TESTS);
  const silent = outcomes.filter(({ count, prepares }) =>
    !prepares && count.passed + count.failed === 0
  );
  for (const { task } of silent) console.log(`${task}: no test ran`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return outcomes.every(({ success }) => success) && silent.length === 0
    ? 0
    : 1;
}

if (import.meta.main) Deno.exit(await main());
