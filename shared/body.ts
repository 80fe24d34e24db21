/**
 * Reads the body of a request or response, never more than allowed.
 *
 * @module
 */

import { joinBytes } from "./bytes.ts";

/**
 * Reads a whole body.
 *
 * @param body The body; null for none.
 * @param declared Value of `content-length`, where there is one: a body that
 * says it is too large is not read at all, and is the caller's to cancel.
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
  return joinBytes(chunks);
}
