/**
 * Clients that call all the time, and what they were answered wrongly. One
 * failed call is one too many: nothing is tried again.
 *
 * @module
 */

import { assert } from "@std/assert";
import { delay } from "../../shared/wait.ts";
import { eventually } from "../support/wait.ts";

/** Does one thing; answers what is wrong with what came of it. */
export type Work = (n: number) => Promise<string | undefined>;

/** Milliseconds between two calls of one client. */
const PAUSE_MS = 40;

/** Work that goes on until it is stopped. */
export class SteadyLoad {
  /** What went wrong: at best, and at the end, nothing. */
  readonly failures: string[] = [];
  readonly #done = new Map<string, number>();
  readonly #loops: Promise<void>[] = [];
  #running = true;
  #lastNumber = 0;

  /** How often each kind of work was done. */
  get done(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#done);
  }

  /** How often any of it was. */
  get total(): number {
    return [...this.#done.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Has one more client do something again and again. */
  add(kind: string, work: Work): void {
    this.#done.set(kind, this.#done.get(kind) ?? 0);
    this.#loops.push(this.#repeat(kind, work));
  }

  /** Waits until every kind of work was done once more, after now. */
  async goesOn(): Promise<void> {
    const before = new Map(this.#done);
    await eventually(() => {
      for (const [kind, count] of this.#done) {
        assert(count > before.get(kind)!, `${kind}: nothing is done any more`);
      }
    }, { deadlineMs: 60_000 });
  }

  /** Ends it, once what is under way is done. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#loops);
  }

  async #repeat(kind: string, work: Work): Promise<void> {
    while (this.#running) {
      const n = ++this.#lastNumber;
      const wrong = await work(n).catch((error: unknown) => String(error));
      this.#done.set(kind, this.#done.get(kind)! + 1);
      if (wrong !== undefined) {
        const at = new Date().toISOString().slice(11, 23);
        this.failures.push(`${at} ${kind}: ${wrong}`);
      }
      await delay(PAUSE_MS);
    }
  }
}
