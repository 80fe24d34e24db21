/**
 * A gRPC call as whoever answers it sees it, whatever carries it. Types only.
 *
 * @module
 */

/** A call that is under way. */
export interface GrpcCall {
  /** Sends a message; the bytes are the caller's again afterwards. */
  write(message: Uint8Array): void;
  /** Ends the call in good order, once all is sent. */
  end(): void;
  /** Ends the call as one that failed. */
  fail(): void;
}

/** Who answers a call. */
export interface GrpcCallee {
  /** A message has come; what is answered is done with it, and never rejects. */
  message(bytes: Uint8Array): Promise<void>;
  /** The last message has come. */
  end(): void;
  /** The caller has given the call up, or is gone; nothing else comes. */
  cancelled(): void;
}

/** Takes a call. */
export type AcceptCall = (call: GrpcCall) => GrpcCallee;
