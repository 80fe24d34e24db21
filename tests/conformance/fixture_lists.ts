/**
 * Lists of the fixture that change while it runs: a tool and a prompt that come
 * and go. What is listed besides never changes.
 *
 * @module
 */

/** A list that can change. */
export type ChangingList = "tools" | "prompts";

/** The lists of one server, which all its sessions share. */
export class FixtureLists {
  readonly #grown = new Set<ChangingList>();
  readonly #changed: (list: ChangingList) => void;

  /** Begins with what never changes; `changed` tells the clients. */
  constructor(changed: (list: ChangingList) => void) {
    this.#changed = changed;
  }

  /** Adds to a list what may come and go, or takes it away again. */
  change(list: ChangingList): void {
    if (!this.#grown.delete(list)) this.#grown.add(list);
    this.#changed(list);
  }

  /** Whether the list has what may come and go. */
  has(list: ChangingList): boolean {
    return this.#grown.has(list);
  }
}
