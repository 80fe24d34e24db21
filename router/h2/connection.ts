/**
 * An HTTP/2 connection on which gRPC is served, the server's side: what Envoy
 * sends in and nothing else, no push, no priorities, no compression. Made for a
 * peer that is an Envoy: it holds a peer to the protocol, and bounds what one
 * can make us keep, but not how often it may ask.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9113
 *
 * @module
 */

import { joinBytes } from "../../shared/bytes.ts";
import type { AcceptCall } from "../grpc_call.ts";
import * as h2 from "./frames.ts";
import { FrameSplitter, uint31 } from "./frame_splitter.ts";
import { type HeaderField, HpackReader } from "./hpack.ts";
import { Output, type WriteBytes } from "./output.ts";
import { PeerSettings } from "./peer_settings.ts";
import {
  areTrailers,
  readRequestFields,
  type RequestFields,
} from "./request_fields.ts";
import { H2Stream, type StreamHost, trailers } from "./stream.ts";

/** What a message may be ahead of its answer on each stream. */
const STREAM_WINDOW_BYTES = 1024 * 1024;
/** The same of all streams: taken at once, hence never in the way. */
const CONNECTION_WINDOW_BYTES = 64 * 1024 * 1024;
/** Headers of a request, as they are written and as they are read. */
const MAX_HEADER_BYTES = 64 * 1024;
/** Streams at once: as many as Envoy is allowed to have open, on one connection. */
const MAX_STREAMS = 10_000;
/** Streams that we broke off, of which frames may still be on their way. */
const MAX_RESET = 1_000;

/** Who serves what, and where it is written. */
export interface ConnectionOptions {
  /** By path: `/service/Method`. */
  readonly methods: ReadonlyMap<string, AcceptCall>;
  /** Writes bytes to the peer. */
  readonly write: WriteBytes;
  /** Ends the connection, once what was written has gone out. */
  readonly end: () => void;
  /** Told of an error that the peer cannot be blamed for. */
  readonly onDefect: (error: unknown) => void;
}

/** Headers that are still to be continued. */
interface OpenHeaders {
  readonly stream: number;
  readonly endStream: boolean;
  readonly parts: Uint8Array[];
  bytes: number;
}

/** A violation that ends the whole connection. */
class ConnectionError extends Error {
  readonly code: number;

  constructor(code: number, what: string) {
    super(what);
    this.code = code;
  }
}

/** A connection. */
export class H2Connection implements StreamHost {
  /** Where frames are written. */
  readonly output: Output;
  /** What the peer takes on the whole connection, bytes. */
  sendWindow: number = h2.INITIAL_WINDOW_BYTES;
  /** The window of each stream that we opened for the peer, bytes. */
  readonly receiveWindow: number = STREAM_WINDOW_BYTES;

  readonly #options: ConnectionOptions;
  readonly #splitter = new FrameSplitter(h2.MAX_PAYLOAD_BYTES);
  readonly #hpack = new HpackReader(MAX_HEADER_BYTES);
  readonly #peer = new PeerSettings();
  readonly #streams = new Map<number, H2Stream>();
  readonly #blocked = new Set<H2Stream>();
  readonly #reset = new Set<number>();
  #lastStream = 0;
  /** What the last request said, for all that say the same. */
  #lastFields: readonly HeaderField[] | undefined;
  #lastRequest: RequestFields | undefined;
  #settingsSeen = false;
  #headers: OpenHeaders | undefined;
  /** Bytes that have come since the window was last widened. */
  #taken = 0;
  #closed = false;

  /** Greets the peer. */
  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.output = new Output(options.write);
    this.output.head(18, h2.SETTINGS, 0, 0);
    this.#setting(h2.MAX_CONCURRENT_STREAMS, MAX_STREAMS);
    this.#setting(h2.INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES);
    this.#setting(h2.MAX_HEADER_LIST_SIZE, MAX_HEADER_BYTES);
    this.#widen(CONNECTION_WINDOW_BYTES - h2.INITIAL_WINDOW_BYTES);
  }

  /** What the peer takes in a frame, bytes. */
  get maxSendPayload(): number {
    return this.#peer.maxPayload;
  }

  /** Takes what has come; the memory is the caller's again afterwards. */
  receive(bytes: Uint8Array): void {
    if (this.#closed) return;
    try {
      this.#splitter.push(bytes);
      for (;;) {
        const frame = this.#splitter.next();
        if (frame === undefined || this.#closed) return;
        if (frame === "no preface") {
          throw new ConnectionError(h2.PROTOCOL_ERROR, frame);
        }
        if (frame === "frame too large") {
          throw new ConnectionError(h2.FRAME_SIZE_ERROR, frame);
        }
        this.#frame(frame);
      }
    } catch (error) {
      if (error instanceof ConnectionError) return this.close(error.code);
      // It costs this connection, and not the others.
      this.close(h2.INTERNAL_ERROR);
      this.#options.onDefect(error);
    }
  }

  /** Says goodbye: no further stream is taken, and the connection ends. */
  close(code: number = h2.NO_ERROR): void {
    if (this.#closed) return;
    this.#closed = true;
    this.output.head(8, h2.GOAWAY, 0, 0);
    this.output.uint32(this.#lastStream);
    this.output.uint32(code);
    this.output.close();
    this.#cancelAll();
    this.#options.end();
  }

  /** The peer is gone. */
  lost(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.output.close();
    this.#cancelAll();
  }

  /** Waits until the peer takes more. */
  blocked(stream: H2Stream): void {
    this.#blocked.add(stream);
  }

  /** Both sides are done. */
  done(stream: H2Stream): void {
    this.#streams.delete(stream.id);
  }

  #cancelAll(): void {
    for (const stream of this.#streams.values()) stream.cancel();
    this.#streams.clear();
    this.#blocked.clear();
  }

  #frame(frame: h2.Frame): void {
    const { type } = frame;
    if (!this.#settingsSeen && type !== h2.SETTINGS) {
      throw protocolError("no settings first");
    }
    if (this.#headers !== undefined && type !== h2.CONTINUATION) {
      throw protocolError("headers are not continued");
    }
    switch (type) {
      case h2.DATA:
        return this.#onData(frame);
      case h2.HEADERS:
        return this.#onHeaders(frame);
      case h2.PRIORITY:
        return this.#onPriority(frame);
      case h2.RST_STREAM:
        return this.#onReset(frame);
      case h2.SETTINGS:
        return this.#onSettings(frame);
      case h2.PUSH_PROMISE:
        throw protocolError("a push of a client");
      case h2.PING:
        return this.#onPing(frame);
      case h2.GOAWAY:
        return this.#mustBeOfConnection(frame);
      case h2.WINDOW_UPDATE:
        return this.#onWindowUpdate(frame);
      case h2.CONTINUATION:
        return this.#onContinuation(frame);
      default: // unknown types mean nothing
        return;
    }
  }

  #onData(frame: h2.Frame): void {
    const { stream: id, flags, payload } = frame;
    const size = payload.length;
    this.#taken += size;
    if (this.#taken > CONNECTION_WINDOW_BYTES) {
      throw new ConnectionError(h2.FLOW_CONTROL_ERROR, "too much data");
    }
    if (this.#taken >= CONNECTION_WINDOW_BYTES / 2) {
      this.#widen(this.#taken);
      this.#taken = 0;
    }
    const data = withoutPadding(frame);
    const stream = this.#streams.get(this.#begun(id));
    if (stream === undefined) return this.#onStrayData(id);
    if (stream.remoteEnded) return this.#break(stream, h2.STREAM_CLOSED);
    if (size > stream.receiveWindow) {
      return this.#break(stream, h2.FLOW_CONTROL_ERROR);
    }
    if (stream.announced !== undefined) stream.announced -= data.length;
    const ended = (flags & h2.END_STREAM) !== 0;
    if (isMiscounted(stream.announced, ended)) {
      return this.#break(stream, h2.PROTOCOL_ERROR);
    }
    if (!stream.data(data, size) || ended && !stream.endOfData()) {
      this.#break(stream, h2.PROTOCOL_ERROR);
    }
  }

  /** Data of a stream that is over: on its way when we broke it off, or wrong. */
  #onStrayData(id: number): void {
    if (this.#reset.has(id)) return;
    this.#noteReset(id);
    this.output.head(4, h2.RST_STREAM, 0, id);
    this.output.uint32(h2.STREAM_CLOSED);
  }

  #onHeaders(frame: h2.Frame): void {
    const { stream, flags } = frame;
    if (stream % 2 === 0) throw protocolError("headers of no client's stream");
    let block = withoutPadding(frame);
    let dependsOn: number | undefined;
    if ((flags & h2.WITH_PRIORITY) !== 0) {
      if (block.length < 5) throw frameSizeError();
      dependsOn = uint31(block, 0);
      block = block.subarray(5);
    }
    if (dependsOn === stream) throw protocolError("depends on itself");
    const ended = (flags & h2.END_HEADERS) !== 0;
    const headers: OpenHeaders = {
      stream,
      endStream: (flags & h2.END_STREAM) !== 0,
      parts: [ended ? block : block.slice()],
      bytes: block.length,
    };
    if (ended) this.#endHeaders(headers);
    else this.#headers = headers;
  }

  #onContinuation({ stream, flags, payload }: h2.Frame): void {
    const headers = this.#headers;
    if (headers === undefined || headers.stream !== stream) {
      throw protocolError("a continuation of nothing");
    }
    headers.bytes += payload.length;
    headers.parts.push(payload.slice());
    // Empty ones cost something, too.
    if (headers.bytes > MAX_HEADER_BYTES || headers.parts.length > 100) {
      throw new ConnectionError(h2.ENHANCE_YOUR_CALM, "headers too large");
    }
    if ((flags & h2.END_HEADERS) !== 0) this.#endHeaders(headers);
  }

  #endHeaders({ stream: id, endStream, parts }: OpenHeaders): void {
    this.#headers = undefined;
    const [first] = parts;
    const block = parts.length === 1 && first !== undefined
      ? first
      : joinBytes(parts);
    const fields = this.#hpack.read(block);
    if (fields === "malformed") {
      throw new ConnectionError(h2.COMPRESSION_ERROR, fields);
    }
    if (fields === "too large") {
      throw new ConnectionError(h2.ENHANCE_YOUR_CALM, fields);
    }
    const stream = this.#streams.get(id);
    if (stream !== undefined) {
      this.#onTrailers(stream, fields, endStream);
    } else if (id > this.#lastStream) this.#onRequest(id, fields, endStream);
    else if (!this.#reset.has(id)) {
      throw new ConnectionError(h2.STREAM_CLOSED, "headers of a closed stream");
    }
  }

  #onTrailers(
    stream: H2Stream,
    fields: readonly HeaderField[],
    endStream: boolean,
  ): void {
    if (stream.remoteEnded) return this.#break(stream, h2.STREAM_CLOSED);
    if (
      !endStream || !areTrailers(fields) ||
      isMiscounted(stream.announced, true) || !stream.endOfData()
    ) this.#break(stream, h2.PROTOCOL_ERROR);
  }

  #onRequest(
    id: number,
    fields: readonly HeaderField[],
    endStream: boolean,
  ): void {
    this.#lastStream = id;
    if (this.#streams.size >= MAX_STREAMS) {
      // Nothing was done for it: it may be tried again.
      this.#noteReset(id);
      this.output.head(4, h2.RST_STREAM, 0, id);
      return this.output.uint32(h2.REFUSED_STREAM);
    }
    if (fields !== this.#lastFields) {
      this.#lastFields = fields;
      this.#lastRequest = readRequestFields(fields);
    }
    const request = this.#lastRequest;
    const isGrpc = request?.method === "POST" &&
      /^application\/grpc\b/.test(request.contentType);
    const head = isGrpc ? GRPC_HEAD : OTHER_HEAD;
    const stream = new H2Stream(this, id, this.#peer.initialWindow, head);
    this.#streams.set(id, stream);
    if (
      request === undefined || isMiscounted(request.contentLength, endStream)
    ) return this.#break(stream, h2.PROTOCOL_ERROR);
    stream.announced = request.contentLength;
    const accept = isGrpc ? this.#options.methods.get(request.path) : undefined;
    if (accept !== undefined) stream.answeredBy(accept(stream));
    else if (isGrpc) stream.finish(UNIMPLEMENTED);
    else stream.answer(NO_GRPC);
    if (endStream && !stream.endOfData()) {
      this.#break(stream, h2.PROTOCOL_ERROR);
    }
  }

  #onPriority({ stream, payload }: h2.Frame): void {
    if (stream === 0) throw protocolError("a priority of no stream");
    if (payload.length !== 5) throw frameSizeError();
    if (uint31(payload, 0) === stream) throw protocolError("depends on itself");
  }

  #onReset({ stream: id, payload }: h2.Frame): void {
    if (payload.length !== 4) throw frameSizeError();
    const stream = this.#streams.get(this.#begun(id));
    this.#streams.delete(id);
    if (stream === undefined) return;
    this.#blocked.delete(stream);
    stream.cancel();
  }

  #onSettings(frame: h2.Frame): void {
    this.#mustBeOfConnection(frame);
    const { flags, payload } = frame;
    this.#settingsSeen = true;
    if ((flags & h2.ACK) !== 0) {
      if (payload.length > 0) throw frameSizeError();
      return;
    }
    if (payload.length % 6 !== 0) throw frameSizeError();
    const before = this.#peer.initialWindow;
    const wrong = this.#peer.read(payload);
    if (wrong !== undefined) throw new ConnectionError(wrong, "settings");
    const widened = this.#peer.initialWindow - before;
    for (const stream of this.#streams.values()) {
      stream.sendWindow += widened;
      if (stream.sendWindow > h2.MAX_31_BITS) {
        throw new ConnectionError(h2.FLOW_CONTROL_ERROR, "window too wide");
      }
    }
    this.output.head(0, h2.SETTINGS, h2.ACK, 0);
    this.#sendBlocked();
  }

  #onPing(frame: h2.Frame): void {
    this.#mustBeOfConnection(frame);
    if (frame.payload.length !== 8) throw frameSizeError();
    if ((frame.flags & h2.ACK) === 0) {
      this.output.frame(h2.PING, h2.ACK, 0, frame.payload);
    }
  }

  #onWindowUpdate({ stream: id, payload }: h2.Frame): void {
    if (payload.length !== 4) throw frameSizeError();
    const bytes = uint31(payload, 0);
    if (id === 0) {
      this.sendWindow += bytes;
      if (bytes === 0) throw protocolError("a window is widened by nothing");
      if (this.sendWindow > h2.MAX_31_BITS) {
        throw new ConnectionError(h2.FLOW_CONTROL_ERROR, "window too wide");
      }
      return this.#sendBlocked();
    }
    const stream = this.#streams.get(this.#begun(id));
    if (stream === undefined) return;
    stream.sendWindow += bytes;
    if (bytes === 0) this.#break(stream, h2.PROTOCOL_ERROR);
    else if (stream.sendWindow > h2.MAX_31_BITS) {
      this.#break(stream, h2.FLOW_CONTROL_ERROR);
    } else if (this.#blocked.delete(stream)) stream.send();
  }

  #sendBlocked(): void {
    const waiting = [...this.#blocked];
    this.#blocked.clear();
    for (const stream of waiting) stream.send();
  }

  #mustBeOfConnection({ stream }: h2.Frame): void {
    if (stream !== 0) throw protocolError("of a stream");
  }

  /** The id of a stream that the peer has begun, be it over. */
  #begun(id: number): number {
    if (id === 0 || id > this.#lastStream || id % 2 === 0) {
      throw protocolError("a stream that was not begun");
    }
    return id;
  }

  #break(stream: H2Stream, code: number): void {
    this.#streams.delete(stream.id);
    this.#blocked.delete(stream);
    this.#noteReset(stream.id);
    stream.reset(code);
  }

  #noteReset(id: number): void {
    this.#reset.add(id);
    if (this.#reset.size <= MAX_RESET) return;
    const [oldest] = this.#reset;
    if (oldest !== undefined) this.#reset.delete(oldest);
  }

  #widen(bytes: number): void {
    this.output.head(4, h2.WINDOW_UPDATE, 0, 0);
    this.output.uint32(bytes);
  }

  #setting(name: number, value: number): void {
    this.output.uint8(0);
    this.output.uint8(name);
    this.output.uint32(value);
  }
}

/** `:status: 200` and `content-type: application/grpc`, kept by nobody. */
const GRPC_HEAD = block(`\x88\x0f\x10\x10application/grpc`);
/** `:status: 415` and `content-type: text/plain`. */
const OTHER_HEAD = block(`\x08\x03415\x0f\x10\x0atext/plain`);
const NO_GRPC = block("gRPC is spoken here.\n");
/** `grpc-status: 12`. */
const UNIMPLEMENTED = trailers(12);

function block(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

/** Whether more data has come than announced, or less to the end. */
function isMiscounted(left: number | undefined, ended: boolean): boolean {
  return left !== undefined && (left < 0 || ended && left !== 0);
}

function withoutPadding({ flags, payload }: h2.Frame): Uint8Array {
  if ((flags & h2.PADDED) === 0) return payload;
  const padding = payload[0];
  if (padding === undefined) throw frameSizeError();
  if (padding >= payload.length) throw protocolError("all padding");
  return payload.subarray(1, payload.length - padding);
}

function protocolError(what: string): ConnectionError {
  return new ConnectionError(h2.PROTOCOL_ERROR, what);
}

function frameSizeError(): ConnectionError {
  return new ConnectionError(h2.FRAME_SIZE_ERROR, "a payload of no such size");
}
