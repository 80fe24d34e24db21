/**
 * Runs the official conformance suite as a process, and reads what it wrote.
 *
 * @module
 */

import { PROJECT_DIR } from "../support/paths.ts";
import type { Check } from "./verdict.ts";

/** What to run. */
export interface SuiteOptions {
  /** The endpoint under test. */
  readonly url: string;
  /** Arguments of the suite that choose the scenarios. */
  readonly select: readonly string[];
}

/** What came out. */
export interface SuiteRun {
  /** Checks of every scenario that ran, by its name. */
  readonly scenarios: ReadonlyMap<string, readonly Check[]>;
  /** All that the suite printed. */
  readonly output: string;
}

/** A run takes seconds, but a minute for each answer that never comes. */
const DEADLINE_MS = 240_000;
// deno-lint-ignore no-control-regex
const COLOUR = /\x1b\[[0-9;]*m/g;

/**
 * Runs the suite to its end. A suite that fails or dies is no exception: the
 * scenarios that it did not come to are missing then.
 */
export function runSuite({ url, select }: SuiteOptions): Promise<SuiteRun> {
  return run(["server", "--url", url, ...select]);
}

async function run(args: readonly string[]): Promise<SuiteRun> {
  const dir = await Deno.makeTempDir({ prefix: "conformance-" });
  try {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-A", "--no-prompt", "--frozen", await suitePackage()],
        ...args,
        ...["--output-dir", dir],
      ],
      cwd: PROJECT_DIR,
      stdin: "null",
      signal: AbortSignal.timeout(DEADLINE_MS),
    }).output();
    const decoder = new TextDecoder();
    return {
      scenarios: await readScenarios(dir),
      output: (decoder.decode(stdout) + decoder.decode(stderr))
        .replaceAll(COLOUR, ""),
    };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** A client that the suite is to test. */
export interface ClientOptions {
  /** The program, and its arguments; the URL of the suite's server follows. */
  readonly command: readonly string[];
  /** The scenario. */
  readonly scenario: string;
  /** Revision that the suite's server speaks. */
  readonly revision: string;
}

/** Runs one scenario that tests a client; see {@linkcode runSuite}. */
export function runClientScenario(
  { command, scenario, revision }: ClientOptions,
): Promise<SuiteRun> {
  return run([
    "client",
    ...["--command", command.join(" "), "--scenario", scenario],
    ...["--spec-version", revision, "--timeout", "120000"],
  ]);
}

/** What the suite printed of one scenario. */
export function outputOf(run: SuiteRun, scenario: string): string {
  const start = run.output.indexOf(`=== Running scenario: ${scenario} ===`);
  if (start === -1) return run.output;
  const end = run.output.indexOf("\n\n", start);
  return run.output.slice(start, end === -1 ? undefined : end);
}

/** The suite as the import map pins it. */
async function suitePackage(): Promise<string> {
  const { imports } = JSON.parse(
    await Deno.readTextFile(`${PROJECT_DIR}/deno.json`),
  );
  return imports["@modelcontextprotocol/conformance"];
}

async function readScenarios(
  dir: string,
): Promise<ReadonlyMap<string, readonly Check[]>> {
  const scenarios = new Map<string, readonly Check[]>();
  for await (const entry of Deno.readDir(dir)) {
    // server-NAME-2026-01-01T00-00-00-000Z; a client's has no such beginning.
    const name = /^(?:server-)?(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(entry.name)
      ?.[1];
    if (name === undefined) continue;
    const text = await Deno.readTextFile(`${dir}/${entry.name}/checks.json`)
      .catch(() => undefined);
    if (text !== undefined) scenarios.set(name, JSON.parse(text));
  }
  return scenarios;
}
