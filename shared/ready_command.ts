/**
 * `PROGRAM ready`: asks the program that runs on this machine whether it takes
 * traffic, for supervisors and probes that can do no more than run something.
 *
 * @module
 */

import { type Address, formatAddress } from "./address.ts";
import { askInternal } from "./ask_internal.ts";
import { type Command, runCommandLine } from "./command_line.ts";
import { errorText } from "./error_text.ts";
import type { AddressOption } from "./options.ts";
import { waitOnTimer } from "./wait_on_timer.ts";

/** Rows of the table that every program's `ready` has besides its address. */
export const READY_OPTIONS = {
  waitSeconds: {
    kind: "integer",
    min: 0,
    max: 3600,
    default: 0,
    placeholder: "SECONDS",
    help: "How long it may take to become ready; 0 for one look",
  },
} as const;

/** Milliseconds between two looks. */
const LOOK_MS = 100;
/** Milliseconds that one answer may take. */
const ANSWER_MS = 2_000;

/** A program's own option for its internal listener. */
export type InternalListen = AddressOption & { readonly default: string };

/** What was found: that it is ready, or why not. */
export type FoundReady =
  | { readonly ready: true }
  | { readonly ready: false; readonly why: string };

/**
 * Makes the command.
 *
 * @param internalListen The program's own option, so that both take the same
 * flag, variable and default.
 */
export function readyCommand(internalListen: InternalListen): Command {
  const options = { internalListen, ...READY_OPTIONS };
  const summary = "Asks the one that runs here whether it is ready";
  return {
    name: "ready",
    summary,
    run: (args, env, program) =>
      runCommandLine(
        {
          program,
          summary: `${summary}: exit code 0, or 1 and why not.`,
          options,
          run: async ({ internalListen, waitSeconds }) => {
            const found = await awaitReady(internalListen, waitSeconds);
            if (found.ready) return 0;
            console.error(found.why);
            return 1;
          },
        },
        args,
        env,
      ),
  };
}

/**
 * Looks until the program at an address is ready, or time is over.
 *
 * @param seconds How long; one look is always taken.
 */
export async function awaitReady(
  address: Address,
  seconds: number,
): Promise<FoundReady> {
  const over = performance.now() + seconds * 1000;
  const never = new AbortController().signal;
  while (true) {
    const found = await look(address);
    if (found.ready || performance.now() >= over) return found;
    await waitOnTimer(LOOK_MS, never);
  }
}

async function look(address: Address): Promise<FoundReady> {
  const where = formatAddress(address);
  try {
    const signal = AbortSignal.timeout(ANSWER_MS);
    const { status, body } = await askInternal(address, "/readyz", signal);
    if (status === 200) return { ready: true };
    return { ready: false, why: `${where} is not ready: ${reasonsIn(body)}` };
  } catch (error) {
    return {
      ready: false,
      why: `Cannot ask ${where} whether it is ready: ${errorText(error)}. ` +
        "Remedy: start it, or name its address with --internal-listen",
    };
  }
}

/** The reasons of a `/readyz`; its text where it is none. */
function reasonsIn(body: string): string {
  try {
    const { reasons } = JSON.parse(body);
    if (Array.isArray(reasons)) return reasons.join("; ");
  } catch { /* somebody else listens there */ }
  return body.slice(0, 200).trim() || "it says nothing";
}
