/**
 * The latest events of one client stream, numbered from 1, so that a client
 * that lost its connection can have those that it missed. Bounded: the oldest
 * go first. Pure.
 *
 * @module
 */

/** How much is kept. */
export interface RingLimits {
  /** Events of one stream. */
  readonly ringEvents: number;
  /** Bytes of them, or one event that has more. */
  readonly ringBytes: number;
}

/** What was sent on one stream last. */
export class EventRing {
  readonly #limits: RingLimits;
  readonly #events: Uint8Array<ArrayBuffer>[] = [];
  #last = 0;
  #bytes = 0;

  /** Begins empty. */
  constructor(limits: RingLimits) {
    this.#limits = limits;
  }

  /** Number of the newest event; 0 before the first. */
  get last(): number {
    return this.#last;
  }

  /** Bytes kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the next event; the oldest make room. */
  push(event: Uint8Array<ArrayBuffer>): void {
    this.#last++;
    this.#events.push(event);
    this.#bytes += event.byteLength;
    const { ringEvents, ringBytes } = this.#limits;
    while (
      this.#events.length > 1 &&
      (this.#events.length > ringEvents || this.#bytes > ringBytes)
    ) this.#dropOldest();
  }

  /** Drops the oldest events until no more than so many bytes are kept. */
  shrinkTo(bytes: number): void {
    while (this.#bytes > bytes && this.#events.length > 0) this.#dropOldest();
  }

  /** Drops everything that is kept; the numbers go on. */
  clear(): void {
    this.#events.length = 0;
    this.#bytes = 0;
  }

  /**
   * The events behind one, in order.
   *
   * @returns Undefined where one of them is not kept any more, or there never
   * was an event of that number.
   */
  after(number: number): readonly Uint8Array<ArrayBuffer>[] | undefined {
    const missed = this.#last - number;
    if (missed < 0 || missed > this.#events.length) return undefined;
    return this.#events.slice(this.#events.length - missed);
  }

  #dropOldest(): void {
    this.#bytes -= this.#events.shift()?.byteLength ?? 0;
  }
}
