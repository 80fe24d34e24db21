/**
 * Contents that several of the fixture's tools, prompts and resources show.
 *
 * @module
 */

// @ts-types="@modelcontextprotocol/sdk/types"
import type { EmbeddedResource } from "@modelcontextprotocol/sdk/types.js";

/** A red pixel as PNG, in base64. */
export const PIXEL_PNG: string =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";

/** A WAV file without a sample (8 kHz, 8 bits, one channel), in base64. */
export const SILENCE_WAV: string =
  "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/** A text as an embedded resource. */
export const EMBEDDED: EmbeddedResource = {
  type: "resource",
  resource: {
    uri: "test://embedded-resource",
    mimeType: "text/plain",
    text: "This is an embedded resource content.",
  },
};
