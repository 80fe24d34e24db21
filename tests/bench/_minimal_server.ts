/**
 * The least that a server of either era can be, in a worker of its own: tools
 * are answered from text that was made before.
 *
 * @module
 */

/// <reference lib="deno.worker" />

const encoder = new TextEncoder();
const RESULT = '"result":{"content":[{"type":"text","text":"ok"}]';

async function handle(request: Request): Promise<Response> {
  if (request.method !== "POST") return new Response(null, { status: 405 });
  const text = await request.text();
  const message = JSON.parse(text);
  const { id, method, params } = message;
  const reply = (result: object, headers: Record<string, string> = {}) =>
    Response.json({ jsonrpc: "2.0", id, result }, { headers });
  switch (method) {
    case "tools/call": {
      const stateless = request.headers.has("mcp-method");
      const rest = stateless ? ',"resultType":"complete"}}' : "}}";
      return new Response(
        encoder.encode(`{"jsonrpc":"2.0","id":${id},${RESULT}${rest}`),
        { headers: { "content-type": "application/json" } },
      );
    }
    case "initialize":
      return reply({
        protocolVersion: params.protocolVersion,
        capabilities: { tools: {} },
        serverInfo: { name: "minimal", version: "1.0.0" },
      }, { "mcp-session-id": crypto.randomUUID() });
    case "server/discover":
      return reply({
        resultType: "complete",
        supportedVersions: ["2026-07-28"],
        capabilities: { tools: {} },
        ttlMs: 60_000,
        cacheScope: "private",
      });
    case "tools/list":
      return reply({
        resultType: "complete",
        tools: [{ name: "echo", inputSchema: { type: "object" } }],
        ttlMs: 60_000,
        cacheScope: "private",
      });
    default:
      return id === undefined
        ? new Response(null, { status: 202 })
        : Response.json({
          jsonrpc: "2.0",
          id,
          error: { code: -32601, message: "Method not found" },
        }, { status: 404 });
  }
}

const server = Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen: () => {} },
  handle,
);
self.postMessage(server.addr.port);
