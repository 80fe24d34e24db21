/**
 * The server that the conformance suite is run against, directly and through
 * the gateway: every tool, prompt and resource by the suite's name, on the v1
 * SDK, at 2025-11-25 and below, with sessions and resumable streams.
 *
 * It is strict where that shows whether a gateway did its work: log messages
 * below the level that the client set, `warning` until it did, are not sent.
 *
 * @module
 */

// @ts-types="@modelcontextprotocol/sdk/server"
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  CallToolRequestSchema,
  CompleteRequestSchema,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  ListToolsRequestSchema,
  type LoggingLevel,
  LoggingLevelSchema,
  McpError,
  ReadResourceRequestSchema,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import {
  serveSessions,
  type SessionServer,
} from "../../shared/local/samples/session_server.ts";
import { MemoryEventStore } from "./event_store.ts";
import { complete, FIXTURE_PROMPTS } from "./fixture_prompts.ts";
import {
  FIXTURE_RESOURCES,
  FIXTURE_TEMPLATES,
  readResource,
} from "./fixture_resources.ts";
import { FIXTURE_TOOLS } from "./fixture_tools.ts";

/** Milliseconds after which a client comes back to a stream that was closed. */
const RETRY_MS = 50;
/** JSON-RPC code of a resource that is not there (2025-11-25, resources). */
const RESOURCE_NOT_FOUND = -32002;

/** Starts the server on a free port of loopback. */
export function startConformanceServer(
  options: { readonly port?: number } = {},
): SessionServer {
  const server: SessionServer = serveSessions({
    port: options.port ?? 0,
    create: createServer,
    transport() {
      const { host, origin, port } = new URL(server.url);
      return {
        eventStore: new MemoryEventStore(),
        retryInterval: RETRY_MS,
        enableDnsRebindingProtection: true,
        allowedHosts: [host, `localhost:${port}`],
        allowedOrigins: [origin, `http://localhost:${port}`],
      };
    },
  });
  return server;
}

/** Builds the server of one session. */
function createServer(): Server {
  const server = new Server({ name: "conformance", version: "1.0.0" }, {
    capabilities: {
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      completions: {},
      logging: {},
    },
  });
  handleTools(server);
  handlePrompts(server);
  handleResources(server);
  return server;
}

function handleTools(server: Server): void {
  const levels = LoggingLevelSchema.options;
  let level: LoggingLevel = "warning";
  server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
    level = params.level;
    return {};
  });
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: FIXTURE_TOOLS.map(({ run: _, ...tool }) => tool),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const tool = FIXTURE_TOOLS.find(({ name }) => name === params.name);
    if (tool === undefined) {
      throw new McpError(
        ErrorCode.InvalidParams,
        `Unknown tool: ${params.name}`,
      );
    }
    try {
      return await tool.run(params.arguments ?? {}, {
        extra,
        async log(messageLevel, data) {
          if (levels.indexOf(messageLevel) < levels.indexOf(level)) return;
          await extra.sendNotification({
            method: "notifications/message",
            params: { level: messageLevel, logger: "conformance", data },
          });
        },
      });
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      return { content: [{ type: "text", text }], isError: true };
    }
  });
}

function handlePrompts(server: Server): void {
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: FIXTURE_PROMPTS.map(({ fill: _, ...prompt }) => prompt),
  }));
  server.setRequestHandler(GetPromptRequestSchema, ({ params }) => {
    const prompt = FIXTURE_PROMPTS.find(({ name }) => name === params.name);
    if (prompt === undefined) {
      throw new McpError(
        ErrorCode.InvalidParams,
        `Unknown prompt: ${params.name}`,
      );
    }
    return { messages: prompt.fill(params.arguments ?? {}) };
  });
  server.setRequestHandler(CompleteRequestSchema, ({ params }) => {
    const values = complete(params.argument.value);
    return { completion: { values, total: values.length, hasMore: false } };
  });
}

function handleResources(server: Server): void {
  const subscribed = new Set<string>();
  server.setRequestHandler(ListResourcesRequestSchema, () => ({
    resources: [...FIXTURE_RESOURCES],
  }));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({
    resourceTemplates: [...FIXTURE_TEMPLATES],
  }));
  server.setRequestHandler(ReadResourceRequestSchema, ({ params: { uri } }) => {
    const result = readResource(uri);
    if (result !== undefined) return result;
    throw new McpError(RESOURCE_NOT_FOUND, "Resource not found", { uri });
  });
  server.setRequestHandler(SubscribeRequestSchema, ({ params: { uri } }) => {
    subscribed.add(uri);
    return {};
  });
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params: { uri } }) => {
    if (subscribed.delete(uri)) return {};
    throw new McpError(ErrorCode.InvalidParams, `Not subscribed to ${uri}`);
  });
}

if (import.meta.main) {
  const server = startConformanceServer({ port: Number(Deno.args[0] ?? 0) });
  console.log(`listening on ${server.url}`);
}
