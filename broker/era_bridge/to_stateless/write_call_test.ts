import { assert, assertEquals } from "@std/assert";
import { scan } from "../../../shared/jsonrpc/scanner.ts";
import { callTarget } from "../../../shared/routing/call_target.ts";
import { META } from "../../../shared/mcp.ts";
import { type CallToServer, type ClientCall, writeCall } from "./write_call.ts";

const ENVELOPE = {
  revision: "2026-07-28",
  capabilities: { elicitation: {} },
  clientInfo: { name: "c", version: "1" },
  logLevel: "info",
} as const;
const SAYS = `"${META.protocolVersion}":"2026-07-28",` +
  `"${META.clientCapabilities}":{"elicitation":{}},` +
  `"${META.clientInfo}":{"name":"c","version":"1"},` +
  `"${META.logLevel}":"info"`;

/** A client's call, of which the server's name has no prefix `w_`. */
function callOf(json: string): ClientCall {
  const body = new TextEncoder().encode(json);
  const request = scan(body);
  assert(request.kind === "request");
  const found = callTarget(body, request);
  assert(found.kind === "target");
  const { named } = found;
  return { request, body, named, name: named.value.replace(/^w_/, "") };
}

const CASES: readonly {
  readonly name: string;
  readonly json: string;
  readonly more?: Partial<CallToServer>;
  readonly want: string;
  readonly headers: Readonly<Record<string, string>>;
}[] = [
  {
    name: "a tool's call, and keeps every other byte, big integers and order",
    json:
      '{ "method":"tools/call","params":{"x":1e400, "arguments":{"n":9007199254740993,"a":[ ]},"name":"w_now"},"id":7,"jsonrpc":"2.0"}',
    want:
      `{ "method":"tools/call","params":{"x":1e400, "arguments":{"n":9007199254740993,"a":[ ]},"name":"now","_meta":{${SAYS}}},"id":41,"jsonrpc":"2.0"}`,
    headers: { "mcp-method": "tools/call", "mcp-name": "now" },
  },
  {
    name: "a prompt's, and the client's own _meta and progress token with it",
    json:
      '{"jsonrpc":"2.0","id":"a","method":"prompts/get","params":{"_meta":{"progressToken":9007199254740993,"traceparent":"00-1"},"name":"w_\\u0061sk"}}',
    want:
      `{"jsonrpc":"2.0","id":41,"method":"prompts/get","params":{"_meta":{"progressToken":9007199254740993,"traceparent":"00-1",${SAYS}},"name":"ask"}}`,
    headers: { "mcp-method": "prompts/get", "mcp-name": "ask" },
  },
  {
    name:
      "a resource's, whose URI stays, with its name in Base64 where it must",
    json:
      '{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"note://caf\\u00e9"}}',
    want:
      `{"jsonrpc":"2.0","id":41,"method":"resources/read","params":{"uri":"note://caf\\u00e9","_meta":{${SAYS}}}}`,
    headers: {
      "mcp-method": "resources/read",
      "mcp-name": "=?base64?bm90ZTovL2NhZsOp?=",
    },
  },
  {
    name: "a completion's, with the server's name in its reference",
    json:
      '{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"title":1e400,"name":"w_ask", "type":"ref/prompt"},"argument":{"name":"w_ask","value":""}}}',
    want:
      `{"jsonrpc":"2.0","id":41,"method":"completion/complete","params":{"ref":{"title":1e400,"name":"ask", "type":"ref/prompt"},"argument":{"name":"w_ask","value":""},"_meta":{${SAYS}}}}`,
    headers: { "mcp-method": "completion/complete" },
  },
  {
    name: "a call without what only the stateless era goes by",
    json:
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"requestState":"forged","name":"now","inputResponses":{"a":1},"task":{"ttl":1},"_meta":{"${META.clientInfo}":{"name":"forged"},"${META.logLevel}":"debug"}}}`,
    want:
      `{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{"name":"now","_meta":{"${META.clientInfo}":{"name":"c","version":"1"},"${META.logLevel}":"info","${META.protocolVersion}":"2026-07-28","${META.clientCapabilities}":{"elicitation":{}}}}}`,
    headers: { "mcp-method": "tools/call", "mcp-name": "now" },
  },
  {
    name: "a call again, with answers and the server's state byte for byte",
    json:
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"now"}}',
    more: {
      answers: {
        responses: [['a"', '{"n":9007199254740993}'], ["b", "{}"]],
        state: '"\\u0041 \\/"',
      },
    },
    want:
      `{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{"name":"now","inputResponses":{"a\\"":{"n":9007199254740993},"b":{}},"requestState":"\\u0041 \\/","_meta":{${SAYS}}}}`,
    headers: { "mcp-method": "tools/call", "mcp-name": "now" },
  },
  {
    name: "a call again, with a state and nothing to answer",
    json:
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"now"}}',
    more: { answers: { responses: [], state: '"s"' } },
    want:
      `{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{"name":"now","requestState":"s","_meta":{${SAYS}}}}`,
    headers: { "mcp-method": "tools/call", "mcp-name": "now" },
  },
  {
    name: "arguments that the tool mirrors in headers",
    json:
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"now","arguments":{"at":{"zone":"caf\\u00e9"},"n":42}}}',
    more: {
      paramHeaders: [
        { header: "zone", path: ["at", "zone"], type: "string" },
        { header: "n", path: ["n"], type: "integer" },
        { header: "none", path: ["none"], type: "string" },
      ],
    },
    want:
      `{"jsonrpc":"2.0","id":41,"method":"tools/call","params":{"name":"now","arguments":{"at":{"zone":"caf\\u00e9"},"n":42},"_meta":{${SAYS}}}}`,
    headers: {
      "mcp-method": "tools/call",
      "mcp-name": "now",
      "mcp-param-zone": "=?base64?Y2Fmw6k=?=",
      "mcp-param-n": "42",
    },
  },
];
for (const { name, json, more, want, headers } of CASES) {
  Deno.test(`writeCall() writes ${name}`, () => {
    const written = writeCall(callOf(json), {
      envelope: ENVELOPE,
      id: "41",
      paramHeaders: [],
      ...more,
    });
    assertEquals(new TextDecoder().decode(written.body), want);
    assertEquals(Object.fromEntries(written.headers), {
      "mcp-protocol-version": "2026-07-28",
      ...headers,
    });
  });
}

Deno.test("writeCall() takes a call out of the batch that it stands in", () => {
  const json =
    '[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"w_a"}},{"jsonrpc":"2.0","id":2,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"w_b"}}}]';
  const body = new TextEncoder().encode(json);
  const batch = scan(body);
  assert(batch.kind === "batch");
  const request = batch.messages[1]!;
  assert(request.kind === "request");
  const found = callTarget(body, request);
  assert(found.kind === "target");
  const written = writeCall(
    { request, body, name: "b", named: found.named },
    { envelope: ENVELOPE, id: "41", paramHeaders: [] },
  );
  assertEquals(
    new TextDecoder().decode(written.body),
    `{"jsonrpc":"2.0","id":41,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"b"},"_meta":{${SAYS}}}}`,
  );
});
