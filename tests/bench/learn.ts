/**
 * Learns what the right answer to a request is, by asking once: the later ones
 * are held against it byte by byte.
 *
 * @module
 */

import type { Step } from "./campaign.ts";

/** An id of the length that clients' ids have. */
const ID = "123456789";

/** What came back. */
export interface Learned {
  /** The step, which knows now what has to come back. */
  readonly step: Step;
  /** Body of the answer. */
  readonly text: string;
  /** Headers of the answer. */
  readonly headers: Headers;
}

/**
 * Sends a step's request once.
 *
 * @param address `HOST:PORT` to send it to; the request's own host is that too.
 * @param session What stands for `{session}`.
 * @throws {Error} Where the answer is no result, or not of the request's id.
 */
export async function learn(
  step: Omit<Step, "status" | "before" | "after">,
  address: string,
  session = "",
): Promise<Learned> {
  const { method, path, headers } = readHead(step.head, session);
  const response = await fetch(`http://${address}${path}`, {
    method,
    headers,
    body: step.body?.replace("{id}", ID) ?? null,
  });
  const text = await response.text();
  return {
    step: { ...step, status: response.status, ...aroundId(text) },
    text,
    headers: response.headers,
  };
}

/**
 * Splits an answer at the id of its request.
 *
 * @throws {Error} Where it is no result, or the id is not in it once.
 */
export function aroundId(text: string): Pick<Step, "before" | "after"> {
  const [before, after, ...more] = text.split(ID);
  if (
    before === undefined || after === undefined || more.length > 0 ||
    JSON.parse(text).result === undefined
  ) {
    throw new Error(`Cannot learn from an answer: ${text.slice(0, 500)}`);
  }
  return { before, after };
}

/** Reads a head for `fetch`, which makes host and length itself. */
function readHead(head: string, session: string): {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
} {
  const [first = "", ...lines] = head.replace("{session}", session).trim()
    .split("\r\n");
  const [method = "", path = ""] = first.split(" ");
  const headers = new Headers();
  for (const line of lines) {
    const at = line.indexOf(": ");
    headers.set(line.slice(0, at), line.slice(at + 2));
  }
  headers.delete("host");
  return { method, path, headers };
}
