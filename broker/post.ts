/**
 * A POST as the endpoints of both eras get it: its body read once and scanned
 * once, within bounds.
 *
 * @module
 */

import { readRequestBody } from "../shared/body.ts";
import type { Refusal } from "../shared/errors.ts";
import type { Batch, Message } from "../shared/jsonrpc/message.ts";
import { scan } from "../shared/jsonrpc/scanner.ts";
import type { RequestCaller } from "./caller.ts";
import { checkPostHead } from "./post_head.ts";

/** A POST whose body is JSON-RPC. */
export interface Post<M extends Message | Batch = Message | Batch> {
  /** Its head; the body is read. */
  readonly request: Request;
  /** Its body. */
  readonly body: Uint8Array;
  /** What the body is. */
  readonly message: M;
  /** Who sends it. */
  readonly caller: RequestCaller;
}

/** Outcome of reading a body. */
export type ReadOutcome =
  | {
    readonly kind: "read";
    readonly body: Uint8Array;
    readonly message: Message | Batch;
  }
  | {
    readonly kind: "refused";
    readonly refusal: Refusal;
    /** The request's id, raw JSON, where it could be read. */
    readonly id: string | null;
  };

/** Reads and scans the body of a POST; one that is refused unread is let go. */
export async function readPost(
  request: Request,
  maxBodyBytes: number,
): Promise<ReadOutcome> {
  const wrong = checkPostHead(request.headers);
  if (wrong !== undefined) return await refuseUnread(request, wrong);
  const body = await readRequestBody(request, maxBodyBytes);
  if (body === undefined) {
    return await refuseUnread(request, {
      kind: "body too large",
      detail: `at most ${maxBodyBytes} bytes`,
    });
  }
  const message = scan(body);
  if (message.kind !== "malformed") return { kind: "read", body, message };
  const { refusal, reason, offset, id } = message;
  const detail = `${reason} at byte ${offset}`;
  return { kind: "refused", refusal: { kind: refusal, detail }, id };
}

async function refuseUnread(
  request: Request,
  refusal: Refusal,
): Promise<ReadOutcome> {
  await request.body?.cancel().catch(() => {});
  return { kind: "refused", refusal, id: null };
}
