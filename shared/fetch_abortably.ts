/**
 * `fetch` whose answer ends with its signal, whenever that comes.
 *
 * Deno 2.9 aborts the body of an answer through a signal of its own that
 * nothing but a weak reference leads to: once the garbage collector has been
 * by, an abort, hence a deadline too, does not reach the body any more, and who
 * reads it waits for ever. Here the given signal ends the body itself.
 *
 * @module
 */

/** Statuses of answers that have no body to be given. */
const BODILESS: readonly number[] = [204, 205, 304];

/**
 * Sends a request, as `fetch` does.
 *
 * @example
 * ```ts
 * import { fetchAbortably } from "./fetch_abortably.ts";
 *
 * const response = await fetchAbortably("data:,hello", {
 *   signal: AbortSignal.timeout(1_000),
 * });
 * await response.text(); // "hello"
 * ```
 */
export async function fetchAbortably(
  url: string | URL,
  init: RequestInit & { readonly client?: Deno.HttpClient } = {},
): Promise<Response> {
  const response = await fetch(url, init);
  const { body, status, statusText, headers } = response;
  const { signal } = init;
  if (
    body === null || signal === null || signal === undefined ||
    BODILESS.includes(status) || status < 200 || status > 599
  ) return response;
  return new Response(endingWith(signal, body), {
    status,
    statusText,
    headers,
  });
}

/**
 * Bytes that are read at once where the reader brings no buffer; with one of
 * its own, a stream that is open and silent holds no more than that.
 */
const CHUNK_BYTES = 64 * 1024;

/** The same bytes, until the signal aborts. */
function endingWith(
  signal: AbortSignal,
  body: ReadableStream<Uint8Array>,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader({ mode: "byob" });
  let onAbort = () => {};
  const release = () => signal.removeEventListener("abort", onAbort);
  return new ReadableStream({
    type: "bytes",
    autoAllocateChunkSize: CHUNK_BYTES,
    start(controller) {
      onAbort = () => {
        controller.error(signal.reason);
        // It was aborted already where the runtime has noticed.
        reader.cancel(signal.reason).catch(() => {});
      };
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    },
    async pull(controller) {
      // There always is one: see autoAllocateChunkSize.
      const request = controller.byobRequest!;
      const { buffer, byteOffset, byteLength } = request.view!;
      try {
        const { done, value } = await reader.read(
          new Uint8Array(buffer, byteOffset, byteLength),
        );
        if (signal.aborted) return;
        if (done) {
          release();
          controller.close();
        }
        // At the end too: who reads gets its buffer back.
        if (value !== undefined) request.respondWithNewView(value);
      } catch (error) {
        release();
        if (!signal.aborted) throw error;
      }
    },
    async cancel(reason) {
      release();
      await reader.cancel(reason);
    },
  });
}
