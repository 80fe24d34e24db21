/**
 * What the scanner finds in the bytes of a JSON-RPC message: kinds, spans and
 * the few values that routing needs. Types only.
 *
 * @module
 */

/** Half-open range of byte offsets: `bytes.subarray(start, end)`. */
export interface Span {
  /** Offset of the first byte. */
  readonly start: number;
  /** Offset behind the last byte. */
  readonly end: number;
}

/** A string member: its decoded value, and where it stands, quotes included. */
export interface StringSpan extends Span {
  /** The value with escapes resolved. */
  readonly value: string;
}

/** A value as it is written, and where it stands. */
export interface RawSpan extends Span {
  /** Raw JSON text. */
  readonly text: string;
}

/** Members common to all messages. */
export interface MessageBase {
  /** The whole message (differs from the whole body in a batch). */
  readonly span: Span;
}

/** A request: it has a method and an id. */
export interface RequestMessage extends MessageBase {
  /** A request. */
  readonly kind: "request";
  /** The method. */
  readonly method: string;
  /** The id as raw JSON text, to be echoed unchanged. */
  readonly id: string;
  /** Its parameters, where present. */
  readonly params?: Params;
}

/** A notification: a method and no id. */
export interface NotificationMessage extends MessageBase {
  /** A notification. */
  readonly kind: "notification";
  /** The method. */
  readonly method: string;
  /** Its parameters, where present. */
  readonly params?: Params;
}

/** A response or an error response: an id and no method. */
export interface ResponseMessage extends MessageBase {
  /** A response, whether a success or an error. */
  readonly kind: "response";
  /** The id as raw JSON text; `null` only in an error response. */
  readonly id: string | null;
  /** Where the id stands; empty where an error response has none. */
  readonly idSpan: Span;
  /** Where `result` stands; absent in an error response. */
  readonly result?: Span;
  /** Where `error` stands; absent in a success. */
  readonly error?: Span;
}

/** One JSON-RPC message. */
export type Message = RequestMessage | NotificationMessage | ResponseMessage;

/** Where `params` stands, and the members that routing reads. */
export interface Params extends Span {
  /** `params.name`, where it is a string. */
  readonly name?: StringSpan;
  /** `params.uri`, where it is a string. */
  readonly uri?: StringSpan;
  /** `params.arguments`, whatever it is. */
  readonly arguments?: Span;
  /** `params._meta`, whatever it is. */
  readonly meta?: Span;
  /** `params.ref`, whatever it is (completion/complete). */
  readonly ref?: Span;
  /** `params.protocolVersion`, where it is a string (initialize). */
  readonly protocolVersion?: StringSpan;
  /** `params.requestId`, where it can be an id (notifications/cancelled). */
  readonly requestId?: RawSpan;
  /** `params.progressToken`, likewise (notifications/progress). */
  readonly progressToken?: RawSpan;
}

/** Why bytes are not a message that may be passed on. */
export interface Malformed {
  /** Nothing that may be passed on. */
  readonly kind: "malformed";
  /** `parse error`: not JSON as we accept it; `invalid request`: not JSON-RPC. */
  readonly refusal: "parse error" | "invalid request";
  /** Byte offset of the problem. */
  readonly offset: number;
  /** What is wrong, in a sentence fragment without data from the message. */
  readonly reason: string;
  /** The request's id as raw JSON, where it was read before the problem. */
  readonly id: string | null;
}

/** A JSON array of messages, in order; never empty. */
export interface Batch {
  /** A batch. */
  readonly kind: "batch";
  /** The messages. */
  readonly messages: readonly Message[];
}

/** What a body turned out to be. */
export type Scanned = Message | Batch | Malformed;
