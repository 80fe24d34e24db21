/**
 * Cuts a stream of bytes into lines of text.
 *
 * @module
 */

/** Characters of one line; an object is at most 3 MB on the wire. */
const MAX_LINE = 16 * 1024 * 1024;

/**
 * Reads lines without their ends; empty ones are left out.
 *
 * @param onChunk Told of each sign of life.
 * @throws {RangeError} If a line is longer than any object can be.
 * @throws {SyntaxError} If the stream ends inside a line.
 */
export async function* readLines(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  onChunk: () => void,
): AsyncGenerator<string> {
  let pending = "";
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    onChunk();
    const lines = chunk.split("\n");
    lines[0] = pending + lines[0];
    pending = lines.pop() ?? "";
    if (pending.length > MAX_LINE) {
      throw new RangeError(`Cannot read a line of more than ${MAX_LINE}`);
    }
    for (const line of lines) {
      if (line !== "") yield line;
    }
  }
  if (pending.trim() !== "") {
    throw new SyntaxError("Cannot read the last line: it was cut off");
  }
}
