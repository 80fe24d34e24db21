/**
 * Waiting for a time or for news, whichever comes first.
 *
 * @module
 */

import type { Wait } from "../../shared/wait_on_timer.ts";

/** Wakes whoever waits; rung while nobody does, it wakes the next one. */
export class Alarm {
  #rung = false;
  #wake: (() => void) | undefined;

  /** Wakes the one who waits. Ringing again before that changes nothing. */
  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Forgets that it rang. */
  reset(): void {
    this.#rung = false;
  }

  /** Waits for the time, the signal or the alarm; true where it rang. */
  async wait(wait: Wait, ms: number, signal: AbortSignal): Promise<boolean> {
    if (!this.#rung) {
      const early = new AbortController();
      this.#wake = () => early.abort();
      await wait(ms, AbortSignal.any([signal, early.signal]));
      this.#wake = undefined;
    }
    const rung = this.#rung;
    this.#rung = false;
    return rung;
  }
}
