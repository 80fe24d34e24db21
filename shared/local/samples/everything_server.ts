/**
 * Starts `everything.ts`, the reference server of the protocol, as a process
 * with the permissions it needs and no others.
 *
 * @module
 */

import type { Logger } from "../../log.ts";
import { type ServerProcess, startServerProcess } from "./server_process.ts";

/** How to start it. */
export interface EverythingServerOptions {
  /** Port on loopback; 0 takes a free one. */
  readonly port: number;
  /** Takes what it prints, at level debug. */
  readonly log: Logger;
  /** Ends the start. */
  readonly signal?: AbortSignal;
}

/** Milliseconds; the first start downloads its packages. */
const START_DEADLINE_MS = 180_000;

/** Starts the server and waits until it listens. @throws Where it does not. */
export function startEverythingServer(
  options: EverythingServerOptions,
): Promise<ServerProcess> {
  return startServerProcess({
    name: "everything",
    command: Deno.execPath(),
    args: [
      ...["run", "--no-prompt", "--frozen", "--allow-net=127.0.0.1"],
      ...["--allow-env", "--allow-read", "--allow-sys"],
      new URL("everything.ts", import.meta.url).pathname,
      String(options.port),
    ],
    deadlineMs: START_DEADLINE_MS,
    log: options.log,
    ...options.signal ? { signal: options.signal } : {},
  });
}
