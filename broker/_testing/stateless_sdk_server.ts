/**
 * A real MCP server of the stateless era in this process, on the official v2
 * SDK, whose tools can be changed while it runs.
 *
 * @module
 */

import {
  createMcpHandler,
  fromJsonSchema,
  McpServer,
} from "@modelcontextprotocol/server";

/** A running server. */
export interface StatelessSdkServer extends AsyncDisposable {
  /** Its URL. */
  readonly url: string;
  /** Replaces its tools and tells whoever listens. */
  setTools(names: readonly string[]): void;
}

/** Starts one. */
export function startStatelessSdkServer(
  names: readonly string[],
): StatelessSdkServer {
  let tools = names;
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "sdk", version: "1.2.3" }, {
      capabilities: { tools: { listChanged: true } },
    });
    for (const name of tools) {
      server.registerTool(
        name,
        { inputSchema: fromJsonSchema({ type: "object" }) },
        () => ({ content: [] }),
      );
    }
    return server;
  }, { legacy: "reject" });
  const http = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request, { completed }) => {
      const left = new AbortController();
      completed.catch(() => left.abort());
      const { url, method, headers, body } = request;
      const { signal } = left;
      return handler.fetch(new Request(url, { method, headers, body, signal }));
    },
  );
  return {
    url: `http://127.0.0.1:${http.addr.port}/mcp`,
    setTools: (names) => {
      tools = names;
      handler.notify.toolsChanged();
    },
    [Symbol.asyncDispose]: async () => {
      await handler.close();
      await http.shutdown();
    },
  };
}
