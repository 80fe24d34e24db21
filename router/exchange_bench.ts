/**
 * What the router itself does for a call of either era, Envoy's messages
 * included; sessions cost nothing here, as they are in memory and known.
 *
 * @module
 */

import { create, toBinary } from "@bufbuild/protobuf";
import { ProcessingRequestSchema } from "../proto/gen/envoy/service/ext_proc/v3/external_processor_pb.ts";
import { config, server } from "../shared/_testing.ts";
import { RouteTable } from "../shared/routing/route_table.ts";
import { world } from "./_testing.ts";
import type { Answer, HeaderEntry } from "./answer.ts";
import { createCallsInFlight } from "./calls_in_flight.ts";
import { Exchange } from "./exchange.ts";
import type { Phase, PhaseKind } from "./phase.ts";
import { readPhase } from "./wire/read_phase.ts";
import { writeAnswer } from "./wire/write_answer.ts";

const table = new RouteTable(
  config([
    server("old", { prefix: "old_", era: "session" }),
    server("new", { prefix: "new_", era: "stateless" }),
  ]),
  undefined,
);
const { ports } = world({
  table: () => table,
  settings: { ...world().ports.settings, maxBodyBytes: 4_000_000 },
  calls: createCallsInFlight(32),
});

const utf8 = new TextEncoder();
const META = {
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1.0.0" },
  "io.modelcontextprotocol/clientCapabilities": {},
};

/** Envoy's messages for one call. */
function messagesOf(
  body: object,
  headers: readonly HeaderEntry[],
): readonly Uint8Array[] {
  const map = (entries: readonly HeaderEntry[]) => ({
    headers: {
      headers: entries.map(([key, value]) => ({
        key,
        rawValue: utf8.encode(value),
      })),
    },
  });
  const bytes = utf8.encode(JSON.stringify(body));
  return [
    create(ProcessingRequestSchema, {
      request: {
        case: "requestHeaders",
        value: map([
          [":method", "POST"],
          [":path", "/mcp"],
          [":scheme", "http"],
          [":authority", "127.0.0.1:8888"],
          ["accept", "application/json, text/event-stream"],
          ["content-type", "application/json"],
          ["content-length", String(bytes.length)],
          ["user-agent", "bench"],
          ["x-forwarded-for", "127.0.0.1"],
          ["x-forwarded-proto", "http"],
          ["x-request-id", "3f0f9a3e-7a1e-4c0e-8a51-0f2e5a1c9d77"],
          ...headers,
        ]),
      },
    }),
    create(ProcessingRequestSchema, {
      request: {
        case: "requestBody",
        value: { body: bytes, endOfStream: true },
      },
    }),
    create(ProcessingRequestSchema, {
      request: {
        case: "responseHeaders",
        value: map([
          [":status", "200"],
          ["content-type", "application/json"],
          ["content-length", "98"],
          ["date", "Thu, 01 Jan 2026 00:00:00 GMT"],
        ]),
      },
      attributes: {
        "envoy.filters.http.ext_proc": {
          "response.code_details": "via_upstream",
        },
      },
    }),
  ].map((message) => toBinary(ProcessingRequestSchema, message));
}

const call = (name: string, size: number, more: object = {}) => ({
  jsonrpc: "2.0",
  id: 1,
  method: "tools/call",
  params: { name, arguments: { text: "x".repeat(size), n: 7 }, ...more },
});

async function serve(messages: readonly Uint8Array[]): Promise<void> {
  const exchange = new Exchange(ports);
  for (const message of messages) {
    const phase = readPhase(message);
    const answer = await answerTo(exchange, phase);
    if (answer.kind === "reply") {
      throw new Error(`Cannot measure: ${answer.body}`);
    }
    writeAnswer(phase.kind as PhaseKind, answer);
  }
  exchange.close();
}

function answerTo(exchange: Exchange, phase: Phase): Answer | Promise<Answer> {
  switch (phase.kind) {
    case "request headers":
      return exchange.requestHeaders(phase.head);
    case "request body":
      return exchange.requestBody(phase.bytes);
    case "response headers":
      return exchange.responseHeaders(phase.head);
    default:
      throw new Error(`Cannot measure ${phase.kind}`);
  }
}

for (const size of [200, 64 * 1024]) {
  const group = `a call of ${size} bytes`;
  const session = messagesOf(call("old_echo", size), [
    ["mcp-session-id", "live"],
    ["mcp-protocol-version", "2025-11-25"],
  ]);
  const stateless = messagesOf(call("new_echo", size, { _meta: META }), [
    ["mcp-protocol-version", "2026-07-28"],
    ["mcp-method", "tools/call"],
    ["mcp-name", "new_echo"],
  ]);
  Deno.bench({
    name: `session era, ${size} B`,
    group,
    baseline: true,
    fn: async () => await serve(session),
  });
  Deno.bench({
    name: `stateless era, ${size} B`,
    group,
    fn: async () => await serve(stateless),
  });
}
