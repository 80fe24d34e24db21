/**
 * Notices an Envoy that ends its external processing streams by resetting
 * them, as it does unless told otherwise. node:http2 allows a burst of 1,000
 * received resets, then 33 a second, and closes the connection beyond that:
 * about one request in a hundred then fails. Pure.
 *
 * @module
 */

/** What an operator is told. */
export const RESETS_MESSAGE: string = "Envoy resets the router's streams";

/** What an operator shall do about it. */
export const RESETS_REMEDY: string =
  "set envoy.reloadable_features.ext_proc_graceful_grpc_close: true in Envoy's " +
  "runtime; without it about 1 % of requests fail under load";

/** Exchanges looked at together. */
const WINDOW = 200;
/** Share of resets that clients who go away cannot explain. */
const SUSPICIOUS = 0.9;
/** Milliseconds between two reminders. */
const REMINDER_MS = 600_000;

/** Watches how streams end. */
export class ResetWatch {
  #seen = 0;
  #resets = 0;
  #warnedAt: number | undefined;

  /**
   * Takes note of the end of a stream.
   *
   * @param reset Whether it was reset rather than closed.
   * @param now Milliseconds since some point.
   * @returns Whether it is time to tell somebody.
   */
  note(reset: boolean, now: number): boolean {
    this.#seen++;
    if (reset) this.#resets++;
    if (this.#seen < WINDOW) return false;
    const suspicious = this.#resets >= WINDOW * SUSPICIOUS;
    this.#seen = 0;
    this.#resets = 0;
    if (!suspicious) return false;
    if (this.#warnedAt !== undefined && now - this.#warnedAt < REMINDER_MS) {
      return false;
    }
    this.#warnedAt = now;
    return true;
  }
}
