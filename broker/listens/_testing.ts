/**
 * Reading `subscriptions/listen` streams in tests.
 *
 * @module
 */

import { until } from "../_testing/until.ts";

/** A client that reads a stream to its end. */
export class Listener {
  #text = "";
  /** Resolves when the stream is over; rejects when it broke off. */
  readonly over: Promise<void>;
  readonly #leaving = new AbortController();

  /** Begins to read. */
  constructor(body: ReadableStream<Uint8Array<ArrayBuffer>>) {
    this.over = body.pipeThrough(new TextDecoderStream()).pipeTo(
      new WritableStream({ write: (text) => void (this.#text += text) }),
      { signal: this.#leaving.signal },
    );
    this.over.catch(() => {});
  }

  /** All that came, comments left out. */
  // deno-lint-ignore no-explicit-any -- messages of any form
  get messages(): readonly any[] {
    return this.#text.split("\n\n")
      .filter((event) => event.startsWith("data: "))
      .map((event) => JSON.parse(event.replaceAll(/^data: /gm, "")));
  }

  /** What the messages are, in short. */
  get methods(): readonly string[] {
    return this.messages.map(({ method }) =>
      method?.replace("notifications/", "") ?? "response"
    );
  }

  /** Waits until so many messages came. */
  async come(count: number): Promise<void> {
    await until(
      () => this.messages.length >= count,
      `${count} messages on a listen stream`,
    );
  }

  /** Goes away. */
  leave(): void {
    this.#leaving.abort();
  }
}
