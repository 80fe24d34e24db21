/**
 * The session era's server that the conformance suite is run against, directly
 * and through the gateway: every tool, prompt and resource by the suite's name,
 * on the v1 SDK, at 2025-11-25 and below, with sessions and resumable streams.
 * Its twin of the stateless era is in `stateless_fixture_server.ts`.
 *
 * It is strict where that shows whether a gateway did its work: log messages
 * below the level that the client set, `warning` until it did, are not sent.
 *
 * @module
 */

// @ts-types="@modelcontextprotocol/sdk/server"
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
// @ts-types="@modelcontextprotocol/sdk/shared/protocol"
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
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
  type ServerNotification,
  type ServerRequest,
  SetLevelRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import {
  serveSessions,
  type SessionServer,
} from "../../shared/local/samples/session_server.ts";
import { MemoryEventStore } from "./event_store.ts";
import { FixtureLists } from "./fixture_lists.ts";
import { complete, FIXTURE_PROMPTS, listedPrompts } from "./fixture_prompts.ts";
import {
  ASKING_PROMPTS,
  ASKING_TOOLS,
  type Known,
  type Question,
  type Step,
} from "./fixture_questions.ts";
import {
  FIXTURE_RESOURCES,
  FIXTURE_TEMPLATES,
  readResource,
} from "./fixture_resources.ts";
import { FIXTURE_TOOLS, listedTools } from "./fixture_tools.ts";

/** Milliseconds after which a client comes back to a stream that was closed. */
const RETRY_MS = 50;
/** JSON-RPC code of a resource that is not there (2025-11-25, resources). */
const RESOURCE_NOT_FOUND = -32002;

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** What a client answers is passed on as it came. */
const ANYTHING = z.looseObject({});

/** Starts the server on a free port of loopback. */
export function startConformanceServer(
  options: { readonly port?: number } = {},
): SessionServer {
  const sessions = new Set<Server>();
  const lists = new FixtureLists((list) => {
    const method = `notifications/${list}/list_changed` as const;
    for (const session of sessions) void session.notification({ method });
  });
  const server: SessionServer = serveSessions({
    port: options.port ?? 0,
    create() {
      const session = createServer(lists);
      sessions.add(session);
      session.onclose = () => sessions.delete(session);
      return session;
    },
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
function createServer(lists: FixtureLists): Server {
  const server = new Server({ name: "conformance", version: "1.0.0" }, {
    capabilities: {
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      completions: {},
      logging: {},
    },
  });
  handleTools(server, lists);
  handlePrompts(server, lists);
  handleResources(server);
  return server;
}

function handleTools(server: Server, lists: FixtureLists): void {
  const levels = LoggingLevelSchema.options;
  let level: LoggingLevel = "warning";
  server.setRequestHandler(SetLevelRequestSchema, ({ params }) => {
    level = params.level;
    return {};
  });
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: listedTools(lists, ASKING_TOOLS),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const args = params.arguments ?? {};
    const asking = ASKING_TOOLS.find(({ name }) => name === params.name);
    const tool = FIXTURE_TOOLS.find(({ name }) => name === params.name);
    try {
      if (asking) return await askUntilDone(asking.next, server, extra, args);
      if (tool === undefined) {
        throw new McpError(
          ErrorCode.InvalidParams,
          `Unknown tool: ${params.name}`,
        );
      }
      return await tool.run(args, {
        lists,
        async log(messageLevel, data) {
          if (levels.indexOf(messageLevel) < levels.indexOf(level)) return;
          await extra.sendNotification({
            method: "notifications/message",
            params: { level: messageLevel, logger: "conformance", data },
          });
        },
        async report(progress, total) {
          const progressToken = extra._meta?.progressToken;
          if (progressToken === undefined) return;
          await extra.sendNotification({
            method: "notifications/progress",
            params: { progressToken, progress, total },
          });
        },
        breakOff: () => extra.closeSSEStream?.(),
      });
    } catch (error) {
      if (tool === undefined && asking === undefined) throw error;
      const text = error instanceof Error ? error.message : String(error);
      return { content: [{ type: "text", text }], isError: true };
    }
  });
}

function handlePrompts(server: Server, lists: FixtureLists): void {
  server.setRequestHandler(ListPromptsRequestSchema, () => ({
    prompts: listedPrompts(lists, ASKING_PROMPTS),
  }));
  server.setRequestHandler(GetPromptRequestSchema, async (request, extra) => {
    const { name, arguments: args = {} } = request.params;
    const asking = ASKING_PROMPTS.find((prompt) => prompt.name === name);
    if (asking) return await askUntilDone(asking.next, server, extra, args);
    const prompt = FIXTURE_PROMPTS.find((prompt) => prompt.name === name);
    if (prompt === undefined) {
      throw new McpError(ErrorCode.InvalidParams, `Unknown prompt: ${name}`);
    }
    return { messages: prompt.fill(args) };
  });
  server.setRequestHandler(CompleteRequestSchema, ({ params }) => {
    const values = complete(params.argument.value);
    return { completion: { values, total: values.length, hasMore: false } };
  });
}

/**
 * Sends the questions of each step on the stream of the call, all at once, and
 * goes on when every one is answered.
 */
async function askUntilDone<Result>(
  next: (known: Known) => Step<Result>,
  server: Server,
  extra: Extra,
  args: Known["args"],
): Promise<Result> {
  const capabilities = server.getClientCapabilities() ?? {};
  let known: Known = { args, capabilities, answers: {}, state: undefined };
  while (true) {
    const step = next(known);
    if (step.kind === "done") return step.result;
    const ask = async (
      [key, question]: [string, Question],
    ) => [key, await extra.sendRequest(question as ServerRequest, ANYTHING)];
    const answers = Object.fromEntries(
      await Promise.all(Object.entries(step.questions).map(ask)),
    );
    known = { ...known, answers, state: step.state };
  }
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
