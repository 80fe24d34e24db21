/**
 * Runs MCP servers written in Python, on the official SDK of a pinned version,
 * which is downloaded into the cache the first time.
 *
 * @module
 */

import type { Logger } from "../../log.ts";
import { getPythonPackages, type PythonPackages } from "./python_packages.ts";
import { type ServerProcess, startServerProcess } from "./server_process.ts";

/** What to run. */
export interface PythonServerOptions {
  /** Name for messages. */
  readonly name: string;
  /** The program: it calls `run()` of `announced.py`. */
  readonly script: string;
  /** Port on loopback; 0 takes a free one. */
  readonly port: number;
  /** Folder for what is downloaded. */
  readonly cacheDir: string;
  /** Told of downloads, and at level debug what the server prints. */
  readonly log: Logger;
  /** Ends the start. */
  readonly signal?: AbortSignal;
}

/** The Python SDK of the protocol. */
const MCP_VERSION = "2.3.0";
/** Slim images have no time zones of their own. */
const TZDATA_VERSION = "2026.6";
/** Milliseconds; the packages are there when this starts to count. */
const START_DEADLINE_MS = 60_000;

/** Gets the Python SDK of the protocol, in the version that all of us use. */
export function getPythonSdk(
  options: Pick<PythonServerOptions, "cacheDir" | "log" | "signal">,
): Promise<PythonPackages> {
  return getPythonPackages({
    cacheDir: options.cacheDir,
    name: `python-mcp-${MCP_VERSION}`,
    requirements: [`mcp==${MCP_VERSION}`, `tzdata==${TZDATA_VERSION}`],
    minMinor: 10,
    log: options.log,
    ...options.signal ? { signal: options.signal } : {},
  });
}

/**
 * Starts a server and waits until it listens.
 *
 * @throws {Error} Where Python, its packages or the server cannot be had; the
 * message says why.
 */
export async function startPythonServer(
  options: PythonServerOptions,
): Promise<ServerProcess> {
  const signal = options.signal ? { signal: options.signal } : {};
  const { python, path } = await getPythonSdk(options);
  const here = new URL(".", import.meta.url).pathname;
  const separator = Deno.build.os === "windows" ? ";" : ":";
  return await startServerProcess({
    name: options.name,
    command: python,
    // -B leaves no bytecode beside the source.
    args: ["-B", options.script, "--port", String(options.port)],
    env: { PYTHONPATH: `${path}${separator}${here}` },
    deadlineMs: START_DEADLINE_MS,
    log: options.log,
    ...signal,
  });
}
