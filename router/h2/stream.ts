/**
 * One stream of a connection: a gRPC call on its way in, messages and status
 * on their way out, no faster than the peer takes them.
 *
 * @module
 */

import type { GrpcCall, GrpcCallee } from "../grpc_call.ts";
import {
  DATA,
  END_HEADERS,
  END_STREAM,
  HEADERS,
  RST_STREAM,
  WINDOW_UPDATE,
} from "./frames.ts";
import { MESSAGE_HEAD_BYTES, MessageSplitter } from "./message_splitter.ts";
import type { Output } from "./output.ts";

/** What the streams of a connection share. */
export interface StreamHost {
  /** Where frames are written. */
  readonly output: Output;
  /** What the peer takes on the whole connection, bytes. */
  sendWindow: number;
  /** What it takes in a frame, bytes. */
  readonly maxSendPayload: number;
  /** The window of each stream that we opened for the peer, bytes. */
  readonly receiveWindow: number;
  /** Waits until the peer takes more. */
  blocked(stream: H2Stream): void;
  /** Both sides are done. */
  done(stream: H2Stream): void;
}

/** A header block, as it is written. */
export type HeaderBlock = Uint8Array;

/** A stream. */
export class H2Stream implements GrpcCall {
  /** Its number. */
  readonly id: number;
  /** What the peer takes of it, bytes; below zero after it took that back. */
  sendWindow: number;
  /** The peer has sent its last frame. */
  remoteEnded = false;
  /** Bytes of data that are announced and have not come. */
  announced: number | undefined;

  readonly #host: StreamHost;
  readonly #head: HeaderBlock;
  readonly #splitter = new MessageSplitter();
  #callee: GrpcCallee | undefined;
  /** Messages that have come and are not done with. */
  #unanswered = 0;
  /** Bytes that have come since the window was last widened. */
  #taken = 0;
  #headSent = false;
  #localEnded = false;
  /** What is to be sent, and how much of the first piece has been. */
  #pieces: Uint8Array[] = [];
  #sent = 0;
  #left = 0;
  /** What ends the stream behind that; empty where the data itself does. */
  #trailers: HeaderBlock | undefined;
  #over = false;

  /** Begins one; `head` is written before its first message. */
  constructor(
    host: StreamHost,
    id: number,
    sendWindow: number,
    head: HeaderBlock,
  ) {
    this.#host = host;
    this.id = id;
    this.sendWindow = sendWindow;
    this.#head = head;
  }

  /** Says who answers. */
  answeredBy(callee: GrpcCallee): void {
    this.#callee = callee;
  }

  /** What may still come before the window is widened, bytes. */
  get receiveWindow(): number {
    return this.#host.receiveWindow - this.#taken;
  }

  /**
   * Takes data.
   *
   * @param size What it counts for, padding included.
   * @returns Whether it can be read.
   */
  data(data: Uint8Array, size: number): boolean {
    this.#taken += size;
    const messages = this.#localEnded ? [] : this.#splitter.push(data);
    if (messages === undefined) return false;
    for (const message of messages) this.#deliver(message);
    this.#widen();
    return true;
  }

  #deliver(message: Uint8Array): void {
    if (this.#callee === undefined) return;
    this.#unanswered++;
    void this.#callee.message(message).then(() => {
      this.#unanswered--;
      this.#widen();
    });
  }

  /** Lets the peer send more, unless it is ahead of us by a message. */
  #widen(): void {
    if (
      this.#unanswered > 0 || this.remoteEnded || this.#over ||
      this.#taken < this.#host.receiveWindow / 2
    ) return;
    const { output } = this.#host;
    output.head(4, WINDOW_UPDATE, 0, this.id);
    output.uint32(this.#taken);
    this.#taken = 0;
  }

  /** The peer has sent its last frame; false in the middle of a message. */
  endOfData(): boolean {
    this.remoteEnded = true;
    if (this.#splitter.isWithin && !this.#localEnded) return false;
    this.#callee?.end();
    this.#forgetWhenDone();
    return true;
  }

  /** Sends a message; the bytes are the caller's again afterwards. */
  write(message: Uint8Array): void {
    if (this.#over || this.#trailers !== undefined) return;
    const { length } = message;
    if (this.#sendAtOnce(message, MESSAGE_HEAD_BYTES + length)) return;
    const head = new Uint8Array(MESSAGE_HEAD_BYTES);
    head[1] = length >>> 24;
    head[2] = length >>> 16;
    head[3] = length >>> 8;
    head[4] = length;
    this.#queue(head);
    this.#queue(message);
    this.send();
    // What has to wait is all, or the end, of what was queued last.
    if (this.#left > 0) this.#keepLast();
  }

  /** Ends the call in good order, once all is sent. */
  end(): void {
    this.finish(OK);
  }

  /** Ends the call as one that failed. */
  fail(): void {
    this.finish(FAILED);
  }

  /** Ends the stream with trailers, once all is sent. */
  finish(trailers: HeaderBlock): void {
    if (this.#over || this.#trailers !== undefined) return;
    this.#trailers = trailers;
    this.send();
  }

  /** Answers with a whole body instead, as to whoever speaks no gRPC. */
  answer(body: Uint8Array): void {
    this.#queue(body);
    this.finish(NONE);
  }

  /** Sends a message where it fits into one frame; else nothing, and false. */
  #sendAtOnce(message: Uint8Array, size: number): boolean {
    const host = this.#host;
    const { output } = host;
    if (
      this.#left > 0 || size > this.sendWindow || size > host.sendWindow ||
      size > host.maxSendPayload
    ) return false;
    this.#sendHead();
    output.head(size, DATA, 0, this.id);
    output.uint8(0);
    output.uint32(message.length);
    output.bytes(message);
    host.sendWindow -= size;
    this.sendWindow -= size;
    return true;
  }

  #sendHead(): void {
    if (this.#headSent) return;
    this.#headSent = true;
    this.#host.output.frame(HEADERS, END_HEADERS, this.id, this.#head);
  }

  /** Makes a copy of the last piece, of what is left of it. */
  #keepLast(): void {
    const last = this.#pieces.length - 1;
    const piece = this.#pieces[last]!;
    if (last > 0) this.#pieces[last] = piece.slice();
    else {
      this.#pieces[0] = piece.slice(this.#sent);
      this.#sent = 0;
    }
  }

  #queue(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#left += piece.length;
  }

  /** Sends what the peer takes. */
  send(): void {
    const host = this.#host;
    const { output } = host;
    this.#sendHead();
    while (this.#left > 0) {
      const size = Math.min(
        this.#left,
        host.maxSendPayload,
        host.sendWindow,
        this.sendWindow,
      );
      if (size <= 0) {
        host.blocked(this);
        return;
      }
      const last = this.#trailers === NONE && size === this.#left;
      output.head(size, DATA, last ? END_STREAM : 0, this.id);
      this.#copy(size);
      host.sendWindow -= size;
      this.sendWindow -= size;
      if (last) this.#localEnded = true;
    }
    if (this.#trailers === undefined) return;
    if (!this.#localEnded) {
      this.#localEnded = true;
      const flags = END_HEADERS | END_STREAM;
      output.frame(HEADERS, flags, this.id, this.#trailers);
    }
    this.#forgetWhenDone();
  }

  #copy(size: number): void {
    const { output } = this.#host;
    this.#left -= size;
    for (let wanted = size; wanted > 0;) {
      const piece = this.#pieces[0]!;
      const part = piece.subarray(this.#sent, this.#sent + wanted);
      output.bytes(part);
      wanted -= part.length;
      this.#sent += part.length;
      if (this.#sent === piece.length) {
        this.#pieces.shift();
        this.#sent = 0;
      }
    }
  }

  /** Breaks the stream off, for an error of that code. */
  reset(code: number): void {
    const { output } = this.#host;
    output.head(4, RST_STREAM, 0, this.id);
    output.uint32(code);
    this.cancel();
  }

  /** The peer has broken the stream off, or is gone. */
  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#pieces = [];
    this.#left = 0;
    // Who has been answered to the end is not told of what comes behind it.
    if (!this.#localEnded) this.#callee?.cancelled();
  }

  #forgetWhenDone(): void {
    if (this.#over || !this.remoteEnded || !this.#localEnded) return;
    this.#over = true;
    this.#host.done(this);
  }
}

/** `grpc-status: 0`, without a name of HPACK's own, to be kept by nobody. */
const OK = trailers(0);
/** `grpc-status: 13`, INTERNAL. */
const FAILED = trailers(13);
/** None at all: the data ends the stream. */
const NONE: HeaderBlock = new Uint8Array();

/** Writes trailers that have a status only. */
export function trailers(status: number): HeaderBlock {
  const text = String(status);
  return new TextEncoder().encode(
    `\0\x0bgrpc-status${String.fromCharCode(text.length)}${text}`,
  );
}
