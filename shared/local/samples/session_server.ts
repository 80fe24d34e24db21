/**
 * Serves an MCP server of the v1 SDK over streamable HTTP on Deno.serve, with
 * one SDK server per session. Knows sessions and sockets, not tools.
 *
 * @module
 */

// @ts-types="@modelcontextprotocol/sdk/server/webStandardStreamableHttp"
import {
  WebStandardStreamableHTTPServerTransport,
  type WebStandardStreamableHTTPServerTransportOptions,
} from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";

/** The part of the SDK's `McpServer` and `Server` that serving takes. */
export interface SdkServer {
  /** Starts to speak over a transport of the SDK. */
  connect(transport: never): Promise<void>;
  /** Ends the conversation. */
  close(): Promise<void>;
}

/** How to serve. */
export interface SessionServerOptions {
  /** Port on loopback; 0, the default, takes a free one. */
  readonly port?: number;
  /** Builds the server of one session. */
  readonly create: () => SdkServer;
  /** Answer with one JSON body where no stream is needed. Default false. */
  readonly jsonAnswers?: boolean;
  /** Further options of the SDK's transport, made for each session. */
  readonly transport?: () => Partial<
    WebStandardStreamableHTTPServerTransportOptions
  >;
  /** Live sessions kept; the oldest is closed for a new one. Default 1,000. */
  readonly maxSessions?: number;
}

/** A server that runs. */
export interface SessionServer extends AsyncDisposable {
  /** Where clients connect: `http://127.0.0.1:PORT/mcp`. */
  readonly url: string;
  /** Number of live sessions. */
  readonly sessions: number;
  /** Drops every session, as a restart does: they are answered 404. */
  forgetSessions(): Promise<void>;
}

interface LiveSession {
  readonly server: SdkServer;
  readonly transport: WebStandardStreamableHTTPServerTransport;
}

/** Starts serving; the server is up when this returns. */
export function serveSessions(options: SessionServerOptions): SessionServer {
  const sessions = new Map<string, LiveSession>();
  const maxSessions = options.maxSessions ?? 1_000;

  async function end(id: string): Promise<void> {
    const session = sessions.get(id);
    sessions.delete(id);
    await session?.server.close();
  }

  async function open(request: Request): Promise<Response> {
    const oldest = sessions.keys().next();
    if (sessions.size >= maxSessions && !oldest.done) await end(oldest.value);
    const server = options.create();
    const transport: WebStandardStreamableHTTPServerTransport =
      new WebStandardStreamableHTTPServerTransport({
        ...options.transport?.(),
        sessionIdGenerator: () => crypto.randomUUID(),
        enableJsonResponse: options.jsonAnswers ?? false,
        onsessioninitialized: (id) =>
          void sessions.set(id, { server, transport }),
        onsessionclosed: (id) => void sessions.delete(id),
      });
    // The SDK's own class does not fit its interface to the letter of
    // exactOptionalPropertyTypes.
    await server.connect(transport as never);
    return await transport.handleRequest(request);
  }

  async function handle(request: Request): Promise<Response> {
    if (new URL(request.url).pathname !== "/mcp") {
      return new Response("Not found", { status: 404 });
    }
    const id = request.headers.get("mcp-session-id");
    if (id === null) return await open(request);
    const session = sessions.get(id);
    if (session !== undefined) {
      return await session.transport.handleRequest(request);
    }
    // 404 tells the client to initialize anew (2025-11-25, transports).
    return Response.json({
      jsonrpc: "2.0",
      id: null,
      error: { code: -32600, message: "Session not found" },
    }, { status: 404 });
  }

  async function forgetSessions(): Promise<void> {
    await Promise.all([...sessions.keys()].map(end));
  }

  const listener = Deno.serve({
    hostname: "127.0.0.1",
    port: options.port ?? 0,
    onListen: () => {},
  }, handle);
  return {
    url: `http://127.0.0.1:${listener.addr.port}/mcp`,
    get sessions() {
      return sessions.size;
    },
    forgetSessions,
    async [Symbol.asyncDispose]() {
      await forgetSessions();
      await listener.shutdown();
    },
  };
}
