/**
 * Sample MCP servers for a gateway that was started without a configuration:
 * four that are worth calling, of both eras of the protocol, on four
 * implementations of it.
 *
 * | server | what it is | runs in |
 * |---|---|---|
 * | everything | the reference server, npm | a Deno process |
 * | notes | a notebook, v1 SDK | this process |
 * | trips | trips to book, stateless, v2 SDK | this process |
 * | clock | times and zones, Python SDK | a Python process |
 *
 * @module
 */

import type { Logger } from "../../log.ts";
import { startEverythingServer } from "./everything_server.ts";
import { startNotesServer } from "./notes.ts";
import { startPythonServer } from "./python_server.ts";
import { startTripsServer } from "./trips.ts";
import { errorText } from "../../error_text.ts";

/** Names of the sample servers. */
export type SampleName = "everything" | "notes" | "trips" | "clock";

/** How to start them. */
export interface SamplesOptions {
  /** Folder for what is downloaded; made where it does not exist. */
  readonly cacheDir: string;
  /** Told of downloads, and at level debug what the servers print. */
  readonly log: Logger;
  /** Ends the start. */
  readonly signal?: AbortSignal;
  /** Ports on loopback; free ones by default. */
  readonly ports?: Readonly<Partial<Record<SampleName, number>>>;
}

/** A sample server that listens. */
export interface SampleServer {
  /** Its name. */
  readonly name: SampleName;
  /** Its MCP endpoint. */
  readonly url: string;
  /** Prefix to register it with. */
  readonly prefix: string;
}

/** A sample server that cannot be had here. */
export interface SkippedSample {
  /** Its name. */
  readonly name: SampleName;
  /** Why, for a person. */
  readonly reason: string;
}

/** What was started; disposing of it stops every server. */
export interface Samples extends AsyncDisposable {
  /** Those that listen. */
  readonly servers: readonly SampleServer[];
  /** Those that do not. */
  readonly skipped: readonly SkippedSample[];
}

interface Running extends AsyncDisposable {
  readonly url: string;
}

/**
 * Starts the sample servers side by side. Never rejects because of one of
 * them: that one is skipped, with a reason.
 *
 * @throws The signal's reason where it fires before all have settled; nothing
 * is left running then.
 */
export async function startSamples(options: SamplesOptions): Promise<Samples> {
  const starters: readonly [SampleName, () => Running | Promise<Running>][] = [
    [
      "everything",
      () =>
        startEverythingServer({
          ...options,
          port: options.ports?.everything ?? 0,
        }),
    ],
    ["notes", () => startNotesServer(portOption(options.ports?.notes))],
    ["trips", () => startTripsServer(portOption(options.ports?.trips))],
    ["clock", () => startClock(options)],
  ];
  await using stack = new AsyncDisposableStack();
  const servers: SampleServer[] = [];
  const skipped: SkippedSample[] = [];
  await Promise.all(starters.map(async ([name, start]) => {
    try {
      const { url } = stack.use(await start());
      servers.push({ name, url, prefix: `${name}_` });
    } catch (cause) {
      const reason = errorText(cause);
      skipped.push({ name, reason });
    }
  }));
  options.signal?.throwIfAborted();
  const order = starters.map(([name]) => name);
  const byOrder = (a: { name: SampleName }, b: { name: SampleName }): number =>
    order.indexOf(a.name) - order.indexOf(b.name);
  const owned = stack.move();
  return {
    servers: servers.sort(byOrder),
    skipped: skipped.sort(byOrder),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function portOption(port: number | undefined): { port?: number } {
  return port === undefined ? {} : { port };
}

function startClock(options: SamplesOptions): Promise<Running> {
  return startPythonServer({
    ...options,
    name: "clock",
    script: new URL("clock.py", import.meta.url).pathname,
    port: options.ports?.clock ?? 0,
  });
}
