/**
 * Asks a program's internal listener, over TCP or a unix socket, for a
 * document. Decides nothing by the answer.
 *
 * @module
 */

import type { Address } from "./address.ts";
import { connectTo } from "./connect_to.ts";

/** What came back. */
export interface InternalAnswer {
  /** HTTP status. */
  readonly status: number;
  /** The body as text. */
  readonly body: string;
}

/** Bytes after which an answer is none of ours. */
const MAX_BYTES = 1024 * 1024;

/**
 * Sends `GET path`. Not `fetch`, which speaks to no unix socket.
 *
 * @param address Where the program was told to listen: a wildcard is asked on
 * loopback.
 * @param signal Ends the waiting.
 * @throws Where nothing listens there, or it does not answer in HTTP.
 */
export async function askInternal(
  address: Address,
  path: string,
  signal: AbortSignal,
): Promise<InternalAnswer> {
  signal.throwIfAborted();
  using connection = await connectTo(address);
  const close = () => {
    try {
      connection.close();
    } catch { /* it is closed already */ }
  };
  signal.addEventListener("abort", close, { once: true });
  try {
    await write(
      connection,
      `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
    );
    return parseAnswer(await readAll(connection));
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}

async function write(connection: Deno.Conn, text: string): Promise<void> {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
}

async function readAll(connection: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(16 * 1024);
  let text = "";
  let total = 0;
  while (true) {
    const length = await connection.read(buffer);
    if (length === null) return text + decoder.decode();
    total += length;
    if (total > MAX_BYTES) throw new Error("its answer has no end");
    text += decoder.decode(buffer.subarray(0, length), { stream: true });
  }
}

/** Reads an answer whose body ends with the connection. */
function parseAnswer(text: string): InternalAnswer {
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1];
  const end = text.indexOf("\r\n\r\n");
  if (status === undefined || end === -1) {
    throw new Error("it does not answer in HTTP");
  }
  return { status: Number(status), body: text.slice(end + 4) };
}
