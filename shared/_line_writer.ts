/**
 * Writes whole lines to a descriptor that may be slow or gone, without ever
 * throwing: a program must not stop because nobody reads its log.
 *
 * @module
 */

/** What {@linkcode createLineWriter} writes with. */
export interface LineWriterOptions {
  /** Writes some of the bytes, returns how many. */
  readonly writeSync: (bytes: Uint8Array) => number;
  /** Writes the line that reports how many lines were dropped. */
  readonly lost: (count: number) => string;
  /** Waits for a reader to catch up, synchronously. */
  readonly pause?: (ms: number) => void;
}

/** Milliseconds between attempts to write to a full pipe. */
const PAUSE_MS = 2;
/** Attempts at one line; together they stay well under a liveness probe. */
const ATTEMPTS = 25;

/**
 * Makes a function that writes one line, its end added.
 *
 * A full pipe (EAGAIN) is waited for, 50 ms at most. After that lines are
 * dropped and counted until a write succeeds, without further waiting; then
 * the count is written. A closed pipe ends all writing.
 */
export function createLineWriter(
  options: LineWriterOptions,
): (line: string) => void {
  const encoder = new TextEncoder();
  const pause = options.pause ?? blockFor;
  let closed = false;
  let lost = 0;
  let torn = false; // half a line is out: the next one starts with a line end

  const put = (text: string, attempts: number): boolean => {
    let bytes = encoder.encode(`${torn ? "\n" : ""}${text}\n`);
    for (let left = attempts; bytes.length > 0;) {
      try {
        const written = options.writeSync(bytes);
        if (written > 0) {
          bytes = bytes.subarray(written);
          torn = bytes.length > 0;
          continue;
        }
      } catch (error) {
        if (!isTemporary(error)) {
          closed = true;
          return false;
        }
      }
      if (--left <= 0) return false;
      pause(PAUSE_MS);
    }
    return true;
  };

  return (line) => {
    if (closed) return;
    if (lost > 0) {
      if (!put(options.lost(lost), 1)) {
        lost++;
        return;
      }
      lost = 0;
    }
    if (!put(line, ATTEMPTS)) lost++;
  };
}

function isTemporary(error: unknown): boolean {
  return error instanceof Deno.errors.WouldBlock ||
    error instanceof Deno.errors.Interrupted ||
    (error instanceof Error && "code" in error && error.code === "EAGAIN");
}

function blockFor(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
