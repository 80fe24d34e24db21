/**
 * Reads a request's body, never more than allowed.
 *
 * @module
 */

/**
 * Reads a whole body.
 *
 * @param body The request's body.
 * @param declared Value of `content-length`, where there is one: a body that
 * says it is too large is not read at all.
 * @param maxBytes Most bytes that are read.
 * @returns Undefined where it is larger.
 */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  declared: string | null,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  if (declared !== null && Number(declared) > maxBytes) return undefined;
  if (body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return only;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
