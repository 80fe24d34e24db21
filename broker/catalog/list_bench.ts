/**
 * What it costs to take a server's list into the catalog: the answer read,
 * each tool checked and named, all merged and written for clients.
 *
 * @module
 */

import {
  config as gatewayConfig,
  server as serverConfig,
} from "../../shared/_testing.ts";
import { LIMITS } from "../../shared/limits.ts";
import type { Fetch } from "../../shared/upstream/http_answers.ts";
import { toolText } from "../_testing/tools.ts";
import {
  openUpstream,
  type UpstreamSession,
} from "../upstream/upstream_session.ts";
import { NO_ITEMS } from "./kinds.ts";
import { mergeCatalog } from "./merge.ts";
import { makeViews, WHOLE_CATALOG } from "./views.ts";

const NEVER = new AbortController().signal;
const CONFIG = gatewayConfig([serverConfig("bench", { prefix: "bench_" })]);

/** Tools of about 500 bytes. */
function tools(count: number): string {
  return Array.from({ length: count }, (_, n) =>
    toolText(`tool_${n}`, {
      description: `Looks up "thing" number ${n}.\n${"More of it. ".repeat(9)}`,
      inputSchema: {
        type: "object",
        properties: {
          query: { type: "string", description: "What to look for" },
          limit: { type: "integer", minimum: 1, maximum: 100, default: 10 },
          order: { type: "string", enum: ["newest", "oldest", "relevance"] },
        },
        required: ["query"],
        additionalProperties: false,
      },
      annotations: { readOnlyHint: true, openWorldHint: false },
    })).join(",");
}

/** Opens a session with a server that has this list. */
function open(list: string, streams: boolean): Promise<UpstreamSession> {
  const answer = (id: unknown, result: string) => {
    const message = `{"jsonrpc":"2.0","id":${id},"result":${result}}`;
    return new Response(streams ? `data: ${message}\n\n` : message, {
      headers: {
        "content-type": streams ? "text/event-stream" : "application/json",
      },
    });
  };
  const fetch: Fetch = (_url, init) => {
    const { id, method } = JSON.parse(String(init.body));
    return Promise.resolve(
      method === "tools/list"
        ? answer(id, `{"tools":[${list}]}`)
        : method === "initialize"
        ? answer(
          id,
          '{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}',
        )
        : new Response(null, { status: 202 }),
    );
  };
  return openUpstream({
    url: "http://server.test/mcp",
    fetch,
    headers: () => Promise.resolve([]),
    version: "1",
    limits: { ...LIMITS, pingMs: 5_000, items: 1_000, pages: 1 },
    onNotification: () => {},
    now: () => performance.now(),
  }, NEVER);
}

const LIST = tools(1_000);

for (const streams of [false, true]) {
  const session = await open(LIST, streams);
  const group = `1,000 tools, ${Math.round(LIST.length / 1_000)} kB, as ${
    streams ? "an event stream" : "JSON"
  }`;
  Deno.bench("read", { group }, async () => {
    await session.list("tools", NEVER);
  });
  Deno.bench("read, merge and write", { group }, async () => {
    const { items, problems } = await session.list("tools", NEVER);
    const merged = mergeCatalog(CONFIG, [{
      server: "bench",
      listed: true,
      pending: false,
      items: { ...NO_ITEMS, tools: items },
    }]);
    if (merged.items.tools.length !== 1_000) {
      throw new Error(`tools are lost: ${problems}`);
    }
    makeViews(merged.items, []).get(WHOLE_CATALOG)!.listing("tools")
      .page(undefined);
  });
}
