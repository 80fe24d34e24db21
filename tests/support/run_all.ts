/**
 * `deno task test`: runs every check and every test one after the other,
 * shows their output as it comes and ends with one plain line that counts all
 * tests: `N passed, N failed`.
 *
 * @module
 */

import { PROJECT_DIR } from "./paths.ts";
import { countTests, NO_TESTS, type TestCount } from "./summary.ts";

/** One command of the run. */
interface Step {
  /** Task of deno.json. */
  readonly task: string;
  /** Milliseconds after which the step is ended and counts as failed. */
  readonly timeoutMs: number;
}

const MINUTE = 60_000;
const STEPS: readonly Step[] = [
  { task: "ok", timeoutMs: 10 * MINUTE },
  { task: "test:data-plane", timeoutMs: 20 * MINUTE },
  { task: "test:conformance", timeoutMs: 15 * MINUTE },
  { task: "test:stores", timeoutMs: 5 * MINUTE },
  { task: "test:executables", timeoutMs: 10 * MINUTE },
  { task: "test:bench", timeoutMs: 10 * MINUTE },
  // The first time on a machine, it builds an API server, istiod and Envoy
  // Gateway from their sources.
  { task: "test:control-plane", timeoutMs: 60 * MINUTE },
];

interface Outcome {
  readonly task: string;
  readonly success: boolean;
  readonly count: TestCount;
  readonly seconds: number;
}

async function run({ task, timeoutMs }: Step): Promise<Outcome> {
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
    show(child.stdout, Deno.stdout),
    show(child.stderr, Deno.stderr),
  ]);
  const { success } = await child.status;
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  return { task, success, count: countTests(stdout), seconds };
}

/** Passes output on as it comes, and returns it. */
async function show(
  from: ReadableStream<Uint8Array<ArrayBuffer>>,
  to: { write(bytes: Uint8Array): Promise<number> },
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of from) {
    text += decoder.decode(bytes, { stream: true });
    for (let done = 0; done < bytes.length;) {
      done += await to.write(bytes.subarray(done));
    }
  }
  return text;
}

async function main(): Promise<number> {
  const outcomes: Outcome[] = [];
  for (const step of STEPS) outcomes.push(await run(step));

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
  const silent = outcomes.filter(({ count }) =>
    count.passed + count.failed === 0
  );
  for (const { task } of silent) console.log(`${task}: no test ran`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return outcomes.every(({ success }) => success) && silent.length === 0
    ? 0
    : 1;
}

if (import.meta.main) Deno.exit(await main());
