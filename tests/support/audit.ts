/**
 * `deno task audit`: asks npm's registry for known vulnerabilities of all that
 * `deno.lock` names. A registry that does not tell is no reason to fail, and
 * none to be silent.
 *
 * @module
 */

import { PROJECT_DIR } from "./paths.ts";

/** What is known. */
export type Audit =
  /** No vulnerability that counts. */
  | { readonly kind: "clean" }
  /** Some; `text` is what Deno says of them. */
  | { readonly kind: "vulnerable"; readonly text: string }
  /** Nothing, because nobody told. */
  | { readonly kind: "unknown"; readonly reason: string };

/** How `deno audit` ended. */
export interface AuditOutput {
  /** Its exit code. */
  readonly code: number;
  /** What it printed. */
  readonly stdout: string;
  /** What it complained of. */
  readonly stderr: string;
}

/** A registry that says nothing for so long tells nobody. */
const PATIENCE_MS = 60_000;

/** Tells what an ended `deno audit` means. */
export function readAudit({ code, stdout, stderr }: AuditOutput): Audit {
  const found = /^Found \d+ vulnerabilit/m.test(stdout);
  if (found && code !== 0) {
    return { kind: "vulnerable", text: stdout.trim() };
  }
  if (code === 0 && (found || /^No known vulnerabilities/m.test(stdout))) {
    return { kind: "clean" };
  }
  const [reason = ""] = stderr.trim().split("\n");
  return {
    kind: "unknown",
    reason: reason.replace(/^error: /, "") ||
      `deno audit ended with ${code}, and said nothing known`,
  };
}

/**
 * Runs `deno audit`. What is less than moderate does not count.
 *
 * @param env Variables besides our own.
 */
export async function audit(
  env: Readonly<Record<string, string>> = {},
): Promise<Audit> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["audit", "--level=moderate"],
    cwd: PROJECT_DIR,
    env: { ...env, NO_COLOR: "1" },
    stdin: "null",
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).output();
  const text = new TextDecoder();
  return readAudit({
    code,
    stdout: text.decode(stdout),
    stderr: text.decode(stderr),
  });
}

async function main(): Promise<number> {
  const outcome = await audit();
  switch (outcome.kind) {
    case "clean":
      console.log("No known vulnerabilities of moderate severity or more");
      return 0;
    case "vulnerable":
      console.log(outcome.text);
      return 1;
    case "unknown":
      console.log(`Dependencies were not audited: ${outcome.reason}`);
      return 0;
    default:
      return outcome satisfies never;
  }
}

if (import.meta.main) Deno.exit(await main());
