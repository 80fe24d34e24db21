/**
 * The tools that the conformance suite calls, by the names it knows them by.
 *
 * @module
 */

// @ts-types="@modelcontextprotocol/sdk/shared/protocol"
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  type CallToolResult,
  CreateMessageResultSchema,
  type ElicitRequestFormParams,
  ElicitResultSchema,
  type LoggingLevel,
  type ServerNotification,
  type ServerRequest,
  type Tool,
} from "@modelcontextprotocol/sdk/types.js";
import { delay } from "../../shared/local/wait.ts";
import { EMBEDDED, PIXEL_PNG, SILENCE_WAV } from "./fixture_contents.ts";

/** What a tool can do besides answering. */
export interface ToolContext {
  /** The SDK's way to speak to the client on the stream of the call. */
  readonly extra: RequestHandlerExtra<ServerRequest, ServerNotification>;
  /** Writes to the client's log, where its level lets the message through. */
  log(level: LoggingLevel, data: string): Promise<void>;
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

const NO_ARGUMENTS: Tool["inputSchema"] = { type: "object", properties: {} };

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
    async run(_, { extra }) {
      const progressToken = extra._meta?.progressToken;
      for (const progress of [0, 50, 100]) {
        if (progress > 0) await delay(PACE_MS);
        if (progressToken === undefined) continue;
        await extra.sendNotification({
          method: "notifications/progress",
          params: { progressToken, progress, total: 100 },
        });
      }
      return say("All steps are done");
    },
  },
  {
    name: "test_sampling",
    description: "Asks the client's model",
    inputSchema: {
      type: "object",
      properties: {
        prompt: { type: "string", description: "What to ask" },
      },
      required: ["prompt"],
    },
    async run({ prompt }, { extra }) {
      const { content } = await extra.sendRequest({
        method: "sampling/createMessage",
        params: {
          messages: [{
            role: "user",
            content: { type: "text", text: String(prompt) },
          }],
          maxTokens: 100,
        },
      }, CreateMessageResultSchema);
      return say(
        `LLM response: ${
          content.type === "text" ? content.text : content.type
        }`,
      );
    },
  },
  {
    name: "test_elicitation",
    description: "Asks the user who they are",
    inputSchema: {
      type: "object",
      properties: {
        message: { type: "string", description: "What to show the user" },
      },
      required: ["message"],
    },
    run: ({ message }, { extra }) =>
      ask(extra, "User response", {
        message: String(message),
        requestedSchema: {
          type: "object",
          properties: {
            username: { type: "string", description: "User's response" },
            email: { type: "string", description: "User's email address" },
          },
          required: ["username", "email"],
        },
      }),
  },
  {
    name: "test_elicitation_sep1034_defaults",
    description: "Asks the user with a default of every primitive type",
    inputSchema: NO_ARGUMENTS,
    run: (_, { extra }) =>
      ask(extra, "Elicitation completed", {
        message: "Please check what is filled in",
        requestedSchema: {
          type: "object",
          properties: {
            name: { type: "string", default: "John Doe" },
            age: { type: "integer", default: 30 },
            score: { type: "number", default: 95.5 },
            status: {
              type: "string",
              enum: ["active", "inactive", "pending"],
              default: "active",
            },
            verified: { type: "boolean", default: true },
          },
          required: [],
        },
      }),
  },
  {
    name: "test_elicitation_sep1330_enums",
    description: "Asks the user with every kind of enumeration",
    inputSchema: NO_ARGUMENTS,
    run: (_, { extra }) =>
      ask(extra, "Elicitation completed", {
        message: "Please choose",
        requestedSchema: {
          type: "object",
          properties: {
            untitledSingle: { type: "string", enum: numbered("option") },
            titledSingle: { type: "string", oneOf: titled("Option") },
            legacyEnum: {
              type: "string",
              enum: numbered("opt"),
              enumNames: ["Option One", "Option Two", "Option Three"],
            },
            untitledMulti: {
              type: "array",
              items: { type: "string", enum: numbered("option") },
            },
            titledMulti: { type: "array", items: { anyOf: titled("Choice") } },
          },
          required: [],
        },
      }),
  },
  {
    name: "test_reconnection",
    description: "Closes the call's stream and answers when it is resumed",
    inputSchema: NO_ARGUMENTS,
    async run(_, { extra }) {
      extra.closeSSEStream?.();
      await delay(AWAY_MS);
      return say("The stream was closed and resumed");
    },
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

function say(text: string): CallToolResult {
  return { content: [{ type: "text", text }] };
}

async function ask(
  extra: ToolContext["extra"],
  opening: string,
  params: ElicitRequestFormParams,
): Promise<CallToolResult> {
  const { action, content } = await extra.sendRequest(
    { method: "elicitation/create", params },
    ElicitResultSchema,
  );
  return say(
    `${opening}: action=${action}, content=${JSON.stringify(content)}`,
  );
}

function numbered(word: string): string[] {
  return [1, 2, 3].map((number) => `${word}${number}`);
}

function titled(word: string): { const: string; title: string }[] {
  return ["First", "Second", "Third"].map((ordinal, at) => ({
    const: `value${at + 1}`,
    title: `${ordinal} ${word}`,
  }));
}
