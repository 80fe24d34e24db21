/**
 * The stateless era's server that the conformance suite is run against: the
 * twin of `fixture_server.ts`, with the same tools, prompts and resources, on
 * the v2 SDK at 2026-07-28 and nothing older. What its twin asks by a request
 * it asks by an `input_required` result.
 *
 * @module
 */

import {
  CLIENT_CAPABILITIES_META_KEY,
  createMcpHandler,
  createRequestStateCodec,
  fromJsonSchema,
  hostHeaderValidationResponse,
  inputRequired,
  localhostAllowedHostnames,
  localhostAllowedOrigins,
  McpServer,
  originValidationResponse,
  ProtocolError,
  ProtocolErrorCode,
  ResourceNotFoundError,
  type ServerContext,
} from "@modelcontextprotocol/server";
import type { Tool } from "@modelcontextprotocol/sdk/types.js";
import { FixtureLists } from "./fixture_lists.ts";
import { complete, FIXTURE_PROMPTS, listedPrompts } from "./fixture_prompts.ts";
import {
  ASKING_PROMPTS,
  ASKING_TOOLS,
  type Known,
  type Step,
} from "./fixture_questions.ts";
import {
  FIXTURE_RESOURCES,
  FIXTURE_TEMPLATES,
  readResource,
} from "./fixture_resources.ts";
import { FIXTURE_TOOLS, LATE_TOOL } from "./fixture_tools.ts";

/** A server that runs. */
export interface StatelessServer extends AsyncDisposable {
  /** Where clients connect: `http://127.0.0.1:PORT/mcp`. */
  readonly url: string;
}

/** What a tool or prompt leaves to be remembered, sealed. */
const STATES = createRequestStateCodec<string>({
  key: crypto.getRandomValues(new Uint8Array(32)),
});

/** Starts the server on a free port of loopback. */
export function startStatelessConformanceServer(
  options: { readonly port?: number } = {},
): StatelessServer {
  const lists = new FixtureLists((list) =>
    list === "tools"
      ? handler.notify.toolsChanged()
      : handler.notify.promptsChanged()
  );
  const handler = createMcpHandler(() => createServer(lists), {
    legacy: "reject",
  });
  const listener = Deno.serve(
    { hostname: "127.0.0.1", port: options.port ?? 0, onListen: () => {} },
    (request) =>
      hostHeaderValidationResponse(request, localhostAllowedHostnames()) ??
        originValidationResponse(request, localhostAllowedOrigins()) ??
        handler.fetch(request),
  );
  return {
    url: `http://127.0.0.1:${listener.addr.port}/mcp`,
    async [Symbol.asyncDispose]() {
      await handler.close();
      await listener.shutdown();
    },
  };
}

/** Builds the server of one request. */
function createServer(lists: FixtureLists): McpServer {
  const server = new McpServer({ name: "conformance", version: "1.0.0" }, {
    capabilities: {
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      completions: {},
      logging: {},
    },
    requestState: { verify: STATES.verify },
  });
  addTools(server, lists);
  handlePrompts(server, lists);
  handleResources(server);
  return server;
}

function addTools(server: McpServer, lists: FixtureLists): void {
  const late = lists.has("tools") ? [LATE_TOOL] : [];
  for (const { run, ...tool } of [...FIXTURE_TOOLS, ...late]) {
    add(server, tool, async (args, { mcpReq }) =>
      await run(args, {
        lists,
        log: (level, data) => mcpReq.log(level, data, "conformance"),
        async report(progress, total) {
          const progressToken = mcpReq._meta?.progressToken;
          if (progressToken === undefined) return;
          await mcpReq.notify({
            method: "notifications/progress",
            params: { progressToken, progress, total },
          });
        },
        // No stream of this era can be taken up again.
        breakOff: () => {},
      }));
  }
  for (const { next, ...tool } of ASKING_TOOLS) {
    add(server, tool, (args, context) => oneStep(next, args, context));
  }
}

/** Registered tools are the only ones whose mirrored headers the SDK checks. */
function add(
  server: McpServer,
  { name, description, inputSchema }: Tool,
  call: (
    args: Known["args"],
    context: ServerContext,
  ) => Promise<unknown>,
): void {
  server.registerTool(
    name,
    {
      ...description === undefined ? {} : { description },
      inputSchema: fromJsonSchema<Known["args"]>(inputSchema as never),
    },
    call as never,
  );
}

function handlePrompts({ server }: McpServer, lists: FixtureLists): void {
  server.setRequestHandler("prompts/list", () => ({
    prompts: listedPrompts(lists, ASKING_PROMPTS) as never,
  }));
  server.setRequestHandler("prompts/get", async ({ params }, context) => {
    const { name, arguments: args = {} } = params;
    const asking = ASKING_PROMPTS.find((prompt) => prompt.name === name);
    if (asking) return await oneStep(asking.next, args, context) as never;
    const prompt = FIXTURE_PROMPTS.find((prompt) => prompt.name === name);
    if (prompt === undefined) {
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `Unknown prompt: ${name}`,
      );
    }
    return { messages: prompt.fill(args) as never };
  });
  server.setRequestHandler("completion/complete", ({ params }) => {
    const values = complete(params.argument.value);
    return { completion: { values, total: values.length, hasMore: false } };
  });
}

function handleResources({ server }: McpServer): void {
  server.setRequestHandler("resources/list", () => ({
    resources: [...FIXTURE_RESOURCES] as never,
  }));
  server.setRequestHandler("resources/templates/list", () => ({
    resourceTemplates: [...FIXTURE_TEMPLATES] as never,
  }));
  server.setRequestHandler("resources/read", ({ params: { uri } }) => {
    const result = readResource(uri);
    if (result === undefined) throw new ResourceNotFoundError(uri);
    return result as never;
  });
}

/** Takes the step that the request is for: asks, or answers. */
async function oneStep(
  next: (known: Known) => Step<unknown>,
  args: Known["args"],
  { mcpReq }: ServerContext,
): Promise<unknown> {
  const step = next({
    args,
    capabilities: declaredIn(mcpReq.envelope),
    answers: mcpReq.inputResponses ?? {},
    state: mcpReq.requestState<string>(),
  });
  if (step.kind === "done") return step.result;
  return inputRequired({
    inputRequests: step.questions as never,
    ...step.state === undefined
      ? {}
      : { requestState: await STATES.mint(step.state) },
  });
}

function declaredIn(envelope: object | undefined): Known["capabilities"] {
  const members = envelope as Readonly<Record<string, object>> | undefined;
  return members?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
}

if (import.meta.main) {
  const server = startStatelessConformanceServer({
    port: Number(Deno.args[0] ?? 0),
  });
  console.log(`listening on ${server.url}`);
}
