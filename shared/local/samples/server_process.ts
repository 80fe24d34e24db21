/**
 * Runs a server as a process that says where it listens: a line
 * `listening on URL` in its output.
 *
 * @module
 */

import type { Logger } from "../../log.ts";
import { LocalProcess } from "../processes.ts";

/** What to run. */
export interface ServerProcessOptions {
  /** Name for messages. */
  readonly name: string;
  /** Path of the executable. */
  readonly command: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** Environment variables besides our own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds until it has to listen; downloads count. */
  readonly deadlineMs: number;
  /** Takes what the server prints, at level debug. */
  readonly log: Logger;
  /** Ends the start. */
  readonly signal?: AbortSignal;
}

/** A server that listens; disposing of it stops it. */
export interface ServerProcess extends AsyncDisposable {
  /** What it announced. */
  readonly url: string;
}

/**
 * Starts a server and waits until it listens.
 *
 * @throws {ProcessError} Where it ends or stays silent instead; nothing is
 * left running then.
 */
export async function startServerProcess(
  options: ServerProcessOptions,
): Promise<ServerProcess> {
  const { name, command, args, deadlineMs, log } = options;
  const listening = Promise.withResolvers<string>();
  const server = new LocalProcess({
    name,
    command,
    args,
    ...options.env ? { env: options.env } : {},
    onLine(line) {
      log.debug("server said", { server: name, line });
      const url = /^listening on (http:\S+)/.exec(line)?.[1];
      if (url !== undefined) listening.resolve(url);
    },
    ready: (signal) => settled(listening.promise, deadlineMs, signal),
  });
  await server.start(options.signal);
  return {
    url: await listening.promise,
    [Symbol.asyncDispose]: () => server.stop(),
  };
}

/** Waits until the server has said where it listens. */
async function settled(
  listening: Promise<string>,
  deadlineMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  const end = (): void => reject(signal.reason);
  signal.addEventListener("abort", end);
  const timer = setTimeout(
    () => reject(new Error(`it does not listen after ${deadlineMs / 1000} s`)),
    deadlineMs,
  );
  try {
    await Promise.race([listening, over]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}
