/**
 * Notices that a client goes away before it has its whole answer, which in the
 * stateless era cancels its request.
 *
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#cancellation
 * @module
 */

/** Follows one request until its answer is out. */
export class ClientPresence {
  readonly #gone = new AbortController();
  readonly #request: AbortSignal;
  readonly #leave = () => this.#gone.abort();

  /**
   * Begins to follow.
   *
   * @param request The signal of the HTTP request. Deno aborts it when the
   * client disconnects; without `no-legacy-abort`, also behind an answer that
   * was delivered, which is no leaving.
   */
  constructor(request: AbortSignal) {
    this.#request = request;
    if (request.aborted) this.#leave();
    else request.addEventListener("abort", this.#leave, { once: true });
  }

  /**
   * Aborts when the client goes away before it has the whole answer; never
   * afterwards.
   */
  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  /**
   * Passes an answer on. One that is a stream is followed to its end; any
   * other is whole already.
   */
  pass(response: Response): Response {
    const { body } = response;
    const type = response.headers.get("content-type") ?? "";
    if (body === null || !type.startsWith("text/event-stream")) {
      this.#done();
      return response;
    }
    const reader = body.getReader();
    const followed = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: async (controller) => {
        try {
          const { done, value } = await reader.read();
          if (!done) return controller.enqueue(value);
          this.#done();
          controller.close();
        } catch (error) {
          this.#done();
          controller.error(error);
        }
      },
      cancel: async (reason) => {
        this.#leave();
        this.#done();
        await reader.cancel(reason);
      },
    }, { highWaterMark: 0 });
    return new Response(followed, {
      status: response.status,
      headers: response.headers,
    });
  }

  /** Nothing that happens to the connection matters any more. */
  #done(): void {
    this.#request.removeEventListener("abort", this.#leave);
  }
}
