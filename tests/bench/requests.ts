/**
 * The requests that benchmarks send, byte by byte. Pure.
 *
 * @module
 */

import type { Era } from "../../shared/mcp.ts";
import type { Step } from "./campaign.ts";

/** Where a request goes, and what it says of itself besides its content. */
export interface Target {
  /** Path and query. */
  readonly path: string;
  /** Host header. */
  readonly host: string;
  /** Further headers. */
  readonly headers: Readonly<Record<string, string>>;
}

/** What a client says of itself with each request, since 2026-07-28. */
const ENVELOPE = JSON.stringify({
  "io.modelcontextprotocol/protocolVersion": "2026-07-28",
  "io.modelcontextprotocol/clientInfo": { name: "bench", version: "1.0.0" },
  "io.modelcontextprotocol/clientCapabilities": {},
});

/** Digits that the clients' ids have. */
const ID_DIGITS = 9;

/** Writes the head of a request in a session, or of none. */
export function head(
  method: "POST" | "GET" | "DELETE",
  target: Target,
  headers: Readonly<Record<string, string>>,
): string {
  const lines = Object.entries({
    host: target.host,
    ...(method === "GET"
      ? { accept: "text/event-stream" }
      : { accept: "application/json, text/event-stream" }),
    ...(method === "POST" ? { "content-type": "application/json" } : {}),
    ...headers,
    ...target.headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target.path} HTTP/1.1\r\n${lines.join("")}`;
}

/** Headers by which a request shows its era. */
export function eraHeaders(
  era: Era,
  method: string,
  name?: string,
): Readonly<Record<string, string>> {
  return era === "session"
    ? {
      "mcp-session-id": "{session}",
      "mcp-protocol-version": "2025-11-25",
    }
    : {
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": method,
      ...(name === undefined ? {} : { "mcp-name": name }),
    };
}

/** Writes a request's head and body, but not what has to come back. */
export function request(
  era: Era,
  method: string,
  params: Readonly<Record<string, unknown>>,
  target: Target,
): Pick<Step, "head" | "body"> {
  const { name } = params;
  const whole = JSON.stringify(params);
  const inside = era === "session"
    ? whole
    : `${whole.slice(0, -1)}${whole === "{}" ? "" : ","}"_meta":${ENVELOPE}}`;
  return {
    head: head(
      "POST",
      target,
      eraHeaders(era, method, typeof name === "string" ? name : undefined),
    ),
    body: `{"jsonrpc":"2.0","id":{id},"method":"${method}","params":${inside}}`,
  };
}

/** What a tool of the benchmark's server answers. */
export function toolAnswer(era: Era, text: string): Pick<
  Step,
  "status" | "before" | "after"
> {
  const kind = era === "stateless" ? '"resultType":"complete",' : "";
  return {
    status: 200,
    before: '{"jsonrpc":"2.0","id":',
    after: `,"result":{${kind}"content":[{"type":"text","text":"${text}"}]}}`,
  };
}

/**
 * Writes a call of a tool whose body has a certain size.
 *
 * @param bytes Size of the body; a call needs some 100 (stateless: 300) at
 * least, and is not made smaller than that.
 */
export function sizedCall(
  era: Era,
  tool: string,
  bytes: number,
  target: Target,
): Pick<Step, "head" | "body"> {
  const call = (text: string) =>
    request(era, "tools/call", { name: tool, arguments: { text } }, target);
  const bare = call("").body!.length - "{id}".length + ID_DIGITS;
  return call("x".repeat(Math.max(bytes - bare, 1)));
}

/** The `initialize` of a client that declares nothing. */
export function initialize(target: Target): Pick<Step, "head" | "body"> {
  const params = {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "bench", version: "1.0.0" },
  };
  return {
    head: head("POST", target, {}),
    body: `{"jsonrpc":"2.0","id":{id},"method":"initialize","params":${
      JSON.stringify(params)
    }}`,
  };
}

/** What a client says once it is initialized; nobody answers. */
export function initialized(target: Target): Step {
  return {
    head: head("POST", target, eraHeaders("session", "")),
    body: '{"jsonrpc":"2.0","method":"notifications/initialized"}',
    status: 202,
  };
}

/** Ends a session. */
export function end(target: Target, status: number): Step {
  return { head: head("DELETE", target, eraHeaders("session", "")), status };
}
