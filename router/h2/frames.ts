/**
 * The vocabulary of HTTP/2's frames, as far as a gRPC server needs it.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9113
 *
 * @module
 */

/** What a client sends first (section 3.4). */
export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/** Bytes before a frame's payload: length, type, flags, stream. */
export const FRAME_HEAD_BYTES = 9;
/** What a payload may take unless more was agreed on. */
export const MAX_PAYLOAD_BYTES = 16_384;
/** The largest window, and the largest number of a stream. */
export const MAX_31_BITS = 0x7fffffff;
/** A window before anything was said of it (section 6.9.2). */
export const INITIAL_WINDOW_BYTES = 65_535;

/** Type of a frame: data of a stream. */
export const DATA = 0;
/** Headers that begin a stream, or end one. */
export const HEADERS = 1;
/** How urgent a stream is; means nothing any more. */
export const PRIORITY = 2;
/** A stream is broken off. */
export const RST_STREAM = 3;
/** What a side asks of the other. */
export const SETTINGS = 4;
/** A push, which only a server may announce. */
export const PUSH_PROMISE = 5;
/** To be answered with the same. */
export const PING = 6;
/** No further streams are taken. */
export const GOAWAY = 7;
/** More may be sent. */
export const WINDOW_UPDATE = 8;
/** More headers. */
export const CONTINUATION = 9;

/** Flag of data and headers: the last of the stream. */
export const END_STREAM = 0x1;
/** Flag of settings and pings: an answer. */
export const ACK = 0x1;
/** Flag of headers: none follow. */
export const END_HEADERS = 0x4;
/** Flag of data and headers: there is padding. */
export const PADDED = 0x8;
/** Flag of headers: a priority stands before them. */
export const WITH_PRIORITY = 0x20;

/** Setting: whether pushes are wanted. */
export const ENABLE_PUSH = 2;
/** Setting: how many streams the other side may have open at a time. */
export const MAX_CONCURRENT_STREAMS = 3;
/** Setting: the window of each stream, bytes. */
export const INITIAL_WINDOW_SIZE = 4;
/** Setting: the largest payload, bytes. */
export const MAX_FRAME_SIZE = 5;
/** Setting: the largest headers, bytes. */
export const MAX_HEADER_LIST_SIZE = 6;

/** Code of an error: none. */
export const NO_ERROR = 0;
/** What was sent is not HTTP/2. */
export const PROTOCOL_ERROR = 1;
/** A defect of ours. */
export const INTERNAL_ERROR = 2;
/** More was sent than the window, or the window is too wide. */
export const FLOW_CONTROL_ERROR = 3;
/** Something was sent on a stream that is over. */
export const STREAM_CLOSED = 5;
/** A payload has a size that it cannot have. */
export const FRAME_SIZE_ERROR = 6;
/** A stream was refused before anything was done for it. */
export const REFUSED_STREAM = 7;
/** The stream is not wanted any more. */
export const CANCEL = 8;
/** Headers cannot be read. */
export const COMPRESSION_ERROR = 9;
/** Too much of something. */
export const ENHANCE_YOUR_CALM = 11;

/** A frame that has come. */
export interface Frame {
  /** Its type. */
  readonly type: number;
  /** Its flags. */
  readonly flags: number;
  /** The stream that it is about; 0 for the connection. */
  readonly stream: number;
  /** Its payload, a view of what was received. */
  readonly payload: Uint8Array;
}
