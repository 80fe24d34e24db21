/**
 * How router and broker are started on this machine, and what they say of
 * themselves.
 *
 * @module
 */

import { STATUS_PATH } from "../status.ts";
import { waitFor } from "../wait.ts";

/** A program of the gateway. */
export type ProgramName = "router" | "broker";

/** Directories that a program may touch. */
export interface ProgramAccess {
  /** Directories and files that it reads. */
  readonly read: readonly string[];
  /** Directories that it writes. */
  readonly write: readonly string[];
}

const ROOT = new URL("../../", import.meta.url);
/** Milliseconds to the first answer: the first start downloads dependencies. */
const START_MS = 120_000;
/** Milliseconds for a new configuration. */
const IN_FORCE_MS = 10_000;

/**
 * Writes the arguments of `deno` that run a program.
 *
 * Addresses and variables are not narrowed: both depend on a configuration
 * that may change while the program runs. It can run nothing, load no library
 * and touch no file but these.
 */
export function programArgs(
  program: ProgramName,
  access: ProgramAccess,
  options: Readonly<Record<string, string | number | undefined>>,
  extra: readonly string[] = [],
): readonly string[] {
  const flags = Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `--${name}=${value}`);
  return [
    "run",
    "--no-prompt",
    `--config=${new URL("deno.json", ROOT).pathname}`,
    "--allow-net",
    "--allow-env",
    "--allow-sys",
    `--allow-read=${access.read.join(",")}`,
    `--allow-write=${access.write.join(",")}`,
    new URL(`${program}/main.ts`, ROOT).pathname,
    ...flags,
    ...extra,
  ];
}

/**
 * Waits until a program's internal listener says that it is ready.
 *
 * @param url Base URL of the internal listener.
 */
export async function programReady(
  url: string,
  signal: AbortSignal,
): Promise<void> {
  await waitFor(async () => {
    try {
      const response = await fetch(`${url}/readyz`, { signal });
      await response.body?.cancel();
      return response.ok || undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      return undefined; // it does not listen yet
    }
  }, { what: `${url}/readyz`, timeoutMs: START_MS, signal });
}

/**
 * Waits until a program acts on a version of the configuration.
 *
 * @param url Base URL of its internal listener.
 * @throws {Error} Naming the program, where it does not in time.
 */
export async function configInForce(
  name: string,
  url: string,
  version: string,
  signal: AbortSignal,
): Promise<void> {
  await waitFor(async () => {
    try {
      const response = await fetch(`${url}${STATUS_PATH}`, { signal });
      const status: unknown = await response.json();
      const config = typeof status === "object" && status !== null &&
        "config" in status && status.config;
      return config === version || undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      return undefined; // it is being started again
    }
  }, {
    what: `${name} to take configuration ${version}`,
    timeoutMs: IN_FORCE_MS,
    signal,
  });
}
