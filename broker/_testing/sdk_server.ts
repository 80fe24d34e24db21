/**
 * A real MCP server in this process, on the official v1 SDK, whose tools can
 * be changed while it runs.
 *
 * @module
 */

import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";

/** A running server. */
export interface SdkServer extends AsyncDisposable {
  /** Its URL. */
  readonly url: string;
  /** Sessions open now. */
  readonly sessions: ReadonlyMap<string, unknown>;
  /** Replaces its tools and tells whoever listens. */
  setTools(names: readonly string[]): Promise<void>;
  /** Forgets all sessions, as a restart would. */
  forgetSessions(): Promise<void>;
}

interface Open {
  readonly server: Server;
  readonly transport: WebStandardStreamableHTTPServerTransport;
}

/** Starts one. */
export function startSdkServer(names: readonly string[]): SdkServer {
  let tools = names;
  const sessions = new Map<string, Open>();

  const open = async () => {
    const server = new Server({ name: "sdk", version: "1.2.3" }, {
      capabilities: { tools: { listChanged: true } },
    });
    server.setRequestHandler(ListToolsRequestSchema, () => ({
      tools: tools.map((name) => ({
        name,
        inputSchema: { type: "object" as const },
      })),
    }));
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (id: string) =>
        void sessions.set(id, { server, transport }),
      onsessionclosed: (id: string) => void sessions.delete(id),
    });
    await server.connect(transport);
    return transport;
  };

  const http = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const id = request.headers.get("mcp-session-id");
      const known = id === null ? undefined : sessions.get(id);
      if (id !== null && known === undefined) {
        await request.body?.cancel();
        return new Response("no such session", { status: 404 });
      }
      const transport = known?.transport ?? await open();
      return await transport.handleRequest(request);
    },
  );

  const closeAll = async () => {
    const all = [...sessions.values()];
    sessions.clear();
    for (const { server } of all) await server.close();
  };
  return {
    url: `http://127.0.0.1:${http.addr.port}/mcp`,
    sessions,
    setTools: async (names) => {
      tools = names;
      for (const { server } of sessions.values()) {
        await server.sendToolListChanged();
      }
    },
    forgetSessions: closeAll,
    [Symbol.asyncDispose]: async () => {
      await closeAll();
      await http.shutdown();
    },
  };
}
