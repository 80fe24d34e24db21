/**
 * What the peer of a connection has asked for. Pure.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2
 *
 * @module
 */

import {
  ENABLE_PUSH,
  FLOW_CONTROL_ERROR,
  INITIAL_WINDOW_BYTES,
  INITIAL_WINDOW_SIZE,
  MAX_31_BITS,
  MAX_FRAME_SIZE,
  MAX_PAYLOAD_BYTES,
  PROTOCOL_ERROR,
} from "./frames.ts";
import { uint32 } from "./frame_splitter.ts";

/** The largest payload that can be agreed on. */
const LARGEST_PAYLOAD_BYTES = 0xffffff;

/** The settings in force. */
export class PeerSettings {
  /** What it takes of a new stream, bytes. */
  initialWindow: number = INITIAL_WINDOW_BYTES;
  /** What it takes in a frame, bytes. */
  maxPayload: number = MAX_PAYLOAD_BYTES;

  /**
   * Reads the payload of a frame of settings.
   *
   * @returns The code of the error, where one cannot be.
   */
  read(payload: Uint8Array): number | undefined {
    for (let at = 0; at < payload.length; at += 6) {
      const name = payload[at]! << 8 | payload[at + 1]!;
      const value = uint32(payload, at + 2);
      switch (name) {
        case ENABLE_PUSH:
          if (value > 1) return PROTOCOL_ERROR;
          break;
        case INITIAL_WINDOW_SIZE:
          if (value > MAX_31_BITS) return FLOW_CONTROL_ERROR;
          this.initialWindow = value;
          break;
        case MAX_FRAME_SIZE:
          if (value < MAX_PAYLOAD_BYTES || value > LARGEST_PAYLOAD_BYTES) {
            return PROTOCOL_ERROR;
          }
          this.maxPayload = value;
          break;
      }
    }
    return undefined;
  }
}
