/**
 * The tools that the conformance suite calls, by the names it knows them by,
 * as they are in either era. Those that ask the client something are in
 * `fixture_questions.ts`.
 *
 * @module
 */

// @ts-types="@modelcontextprotocol/sdk/types"
import type {
  CallToolResult,
  LoggingLevel,
  Tool,
} from "@modelcontextprotocol/sdk/types.js";
import { delay } from "../../shared/wait.ts";
import { EMBEDDED, PIXEL_PNG, SILENCE_WAV } from "./fixture_contents.ts";
import type { FixtureLists } from "./fixture_lists.ts";

/** What a tool can do besides answering. */
export interface ToolContext {
  /** The server's lists, which a tool may change. */
  readonly lists: FixtureLists;
  /** Writes to the client's log, where its level lets the message through. */
  log(level: LoggingLevel, data: string): Promise<void>;
  /** Reports progress, where the client asked for it. */
  report(progress: number, total: number): Promise<void>;
  /** Ends the call's stream before its answer, where it can be resumed. */
  breakOff(): void;
}

/** A tool: how it is listed and what it does. */
export interface FixtureTool extends Tool {
  /** Answers a call. An exception becomes a result with `isError`. */
  readonly run: (
    args: Readonly<Record<string, unknown>>,
    context: ToolContext,
  ) => CallToolResult | Promise<CallToolResult>;
}

/** Milliseconds between two messages of one call. */
const PACE_MS = 50;
/** Milliseconds that an answer stays away after its stream was closed. */
const AWAY_MS = 100;

/** The schema of a tool that takes no arguments. */
export const NO_ARGUMENTS: Tool["inputSchema"] = {
  type: "object",
  properties: {},
};

/** Every tool. */
export const FIXTURE_TOOLS: readonly FixtureTool[] = [
  {
    name: "test_simple_text",
    description: "Answers with one text",
    inputSchema: NO_ARGUMENTS,
    run: () => say("This is a simple text response for testing."),
  },
  {
    name: "test_image_content",
    description: "Answers with one image",
    inputSchema: NO_ARGUMENTS,
    run: () => ({
      content: [{ type: "image", data: PIXEL_PNG, mimeType: "image/png" }],
    }),
  },
  {
    name: "test_audio_content",
    description: "Answers with one sound",
    inputSchema: NO_ARGUMENTS,
    run: () => ({
      content: [{ type: "audio", data: SILENCE_WAV, mimeType: "audio/wav" }],
    }),
  },
  {
    name: "test_embedded_resource",
    description: "Answers with one embedded resource",
    inputSchema: NO_ARGUMENTS,
    run: () => ({ content: [EMBEDDED] }),
  },
  {
    name: "test_multiple_content_types",
    description: "Answers with a text, an image and a resource",
    inputSchema: NO_ARGUMENTS,
    run: () => ({
      content: [
        { type: "text", text: "Multiple content types test:" },
        { type: "image", data: PIXEL_PNG, mimeType: "image/png" },
        {
          type: "resource",
          resource: {
            uri: "test://mixed-content-resource",
            mimeType: "application/json",
            text: '{"test":"data","value":123}',
          },
        },
      ],
    }),
  },
  {
    name: "test_tool_with_logging",
    description: "Writes three messages to the client's log",
    inputSchema: NO_ARGUMENTS,
    async run(_, { log }) {
      await log("info", "Tool execution started");
      await delay(PACE_MS);
      await log("info", "Tool processing data");
      await delay(PACE_MS);
      await log("info", "Tool execution completed");
      return say("Three messages were written to the log");
    },
  },
  {
    name: "test_error_handling",
    description: "Always fails",
    inputSchema: NO_ARGUMENTS,
    run() {
      throw new Error("This tool intentionally returns an error for testing");
    },
  },
  {
    name: "test_tool_with_progress",
    description: "Reports its progress in three steps",
    inputSchema: NO_ARGUMENTS,
    async run(_, { report }) {
      for (const progress of [0, 50, 100]) {
        if (progress > 0) await delay(PACE_MS);
        await report(progress, 100);
      }
      return say("All steps are done");
    },
  },
  {
    name: "test_reconnection",
    description: "Closes the call's stream and answers when it is resumed",
    inputSchema: NO_ARGUMENTS,
    async run(_, { breakOff }) {
      breakOff();
      await delay(AWAY_MS);
      return say("The stream was closed and resumed");
    },
  },
  {
    name: "test_logging_tool",
    description: "Writes one message to the client's log",
    inputSchema: NO_ARGUMENTS,
    async run(_, { log }) {
      await log("info", "A message for those who want it");
      return say("It was written, if anybody wants to read it");
    },
  },
  {
    name: "test_trigger_tool_change",
    description: "Adds a tool or takes it away again",
    inputSchema: NO_ARGUMENTS,
    run(_, { lists }) {
      lists.change("tools");
      return say("The list of tools changed");
    },
  },
  {
    name: "test_trigger_prompt_change",
    description: "Adds a prompt or takes it away again",
    inputSchema: NO_ARGUMENTS,
    run(_, { lists }) {
      lists.change("prompts");
      return say("The list of prompts changed");
    },
  },
  {
    name: "test_x_mcp_header",
    description: "Has an argument that clients mirror in a header",
    inputSchema: {
      type: "object",
      properties: {
        region: { type: "string", "x-mcp-header": "Region" },
        level: { type: "integer" },
      },
    },
    run: ({ region }) => say(`region=${region ?? "none"}`),
  },
  {
    name: "json_schema_2020_12_tool",
    description: "Has a schema with much of JSON Schema 2020-12",
    inputSchema: {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      $defs: {
        address: {
          $anchor: "addressDef",
          type: "object",
          properties: {
            street: { type: "string" },
            city: { type: "string" },
          },
        },
      },
      properties: {
        name: { type: "string" },
        address: { $ref: "#/$defs/address" },
        contactMethod: { type: "string", enum: ["phone", "email"] },
        phone: { type: "string" },
        email: { type: "string" },
      },
      allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
      if: {
        properties: { contactMethod: { const: "phone" } },
        required: ["contactMethod"],
      },
      then: { required: ["phone"] },
      else: { required: ["email"] },
      additionalProperties: false,
    },
    run: (args) => say(JSON.stringify(args)),
  },
];

/** The tool that comes and goes. */
export const LATE_TOOL: FixtureTool = {
  name: "test_late_tool",
  description: "Is listed now and then",
  inputSchema: NO_ARGUMENTS,
  run: () => say("Not too late"),
};

/** The tools as they are listed now, with those that ask. */
export function listedTools(
  lists: FixtureLists,
  asking: readonly (Tool & { readonly next: unknown })[],
): Tool[] {
  const late = lists.has("tools") ? [LATE_TOOL] : [];
  return [
    ...[...FIXTURE_TOOLS, ...late].map(({ run: _, ...tool }) => tool),
    ...asking.map(({ next: _, ...tool }) => tool),
  ];
}

/** One text. */
export function say(text: string): CallToolResult {
  return { content: [{ type: "text", text }] };
}
