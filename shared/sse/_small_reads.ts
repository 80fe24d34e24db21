/**
 * Reads a body with as small a buffer as does: a stream that is open and
 * silent holds the buffer of its next read, which the runtime makes 64 KiB.
 *
 * @module
 */

const SMALLEST = 2 * 1024;
const LARGEST = 64 * 1024;

/**
 * The chunks of a body. Each is good until the next one is asked for: its
 * memory is used again.
 *
 * Leaving the loop cancels the body.
 */
export async function* smallReads(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = byobReader(body);
  if (reader === undefined) {
    yield* body;
    return;
  }
  let over = false;
  try {
    let buffer = new Uint8Array(SMALLEST);
    for (;;) {
      over = true; // should this be what fails
      const { value, done } = await reader.read(buffer);
      if (done) return;
      over = false;
      yield value;
      buffer = nextBuffer(value);
    }
  } finally {
    if (!over) await reader.cancel();
    reader.releaseLock();
  }
}

/** Twice as large where the last one was filled, small again where not. */
function nextBuffer(
  { buffer, byteLength }: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const size = buffer.byteLength;
  if (byteLength === size && size < LARGEST) return new Uint8Array(2 * size);
  return byteLength < size / 2 && size > SMALLEST
    ? new Uint8Array(SMALLEST)
    : new Uint8Array(buffer);
}

/** Undefined where the stream is none of bytes, but of chunks. */
function byobReader(
  body: ReadableStream<Uint8Array>,
): ReadableStreamBYOBReader | undefined {
  try {
    return body.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}
