/**
 * Stands in for `jsr:@std/http` where JSR cannot be reached: the same code,
 * published on npm, with types for the two streams this project uses.
 *
 * @module
 */

// @ts-types="./server_sent_event_stream.d.ts"
export { ServerSentEventStream } from "npm:deno-std@1.4.0/http/server_sent_event_stream.js";
// @ts-types="./server_sent_event_parse_stream.d.ts"
export { ServerSentEventParseStream } from "npm:deno-std@1.4.0/http/server_sent_event_parse_stream.js";
export type { ServerSentEventMessage } from "./server_sent_event_stream.d.ts";
export type { ServerSentEventParsedMessage } from "./server_sent_event_parse_stream.d.ts";
