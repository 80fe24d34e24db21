/**
 * Asks the router's own listener, now and then, whether it still takes
 * connections. node:net in Deno stops accepting for good, without an event,
 * when the process runs out of file descriptors once; connections that are
 * open go on, so nothing else would tell.
 *
 * @module
 */

import type { Wait } from "../shared/wait_on_timer.ts";

/** What a try found out. */
export type ProbeOutcome =
  /** Connected, and the server spoke HTTP/2, or anything. */
  | "answers"
  /** Connected or not, nobody spoke. */
  | "silent"
  /** The try itself was not possible: no descriptors left, for example. */
  | "unknown";

/** What probing needs. */
export interface ProbeOptions {
  /** Tries once. */
  readonly probe: () => Promise<ProbeOutcome>;
  /** Waits between tries. */
  readonly delay: Wait;
  /** Called once, when the listener is given up; probing ends. */
  readonly onDead: () => void;
  /** Ends the probing. */
  readonly signal: AbortSignal;
}

const EVERY_MS = 5_000;
/** Silent tries in a row that no moment of load explains. */
const TRIES = 3;
const ANSWER_MS = 3_000;

/** Probes until the signal aborts or the listener is dead; never rejects. */
export async function watchListener(options: ProbeOptions): Promise<void> {
  const { signal } = options;
  let silent = 0;
  while (!signal.aborted) {
    await options.delay(EVERY_MS, signal);
    if (signal.aborted) return;
    const outcome = await options.probe();
    if (outcome === "answers") silent = 0;
    if (outcome === "silent" && ++silent === TRIES) {
      options.onDead();
      return;
    }
  }
}

/**
 * What an HTTP/2 client says first, with no settings of its own. A server may
 * wait for it: that of an older Deno, which executables can be built with,
 * does (RFC 9113, section 3.4).
 */
const PREFACE = new Uint8Array([
  ...new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  ...[0, 0, 0, 4, 0, 0, 0, 0, 0],
]);

/**
 * Connects, says hello and waits for the server's first byte (its SETTINGS
 * frame).
 *
 * @param connect Opens the connection.
 */
export async function probeHttp2(
  connect: () => Promise<Deno.Conn>,
): Promise<ProbeOutcome> {
  let connection: Deno.Conn;
  try {
    connection = await connect();
  } catch (error) {
    return error instanceof Deno.errors.ConnectionRefused ||
        error instanceof Deno.errors.NotFound
      ? "silent"
      : "unknown";
  }
  const timer = setTimeout(() => connection.close(), ANSWER_MS);
  try {
    await connection.write(PREFACE);
    const read = await connection.read(new Uint8Array(1));
    return read === null ? "silent" : "answers";
  } catch {
    return "silent";
  } finally {
    clearTimeout(timer);
    try {
      connection.close();
    } catch {
      // Closed by the timer.
    }
  }
}
