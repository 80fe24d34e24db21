import { assertEquals } from "@std/assert";
import type { RequestMessage } from "../../../shared/jsonrpc/message.ts";
import { scan } from "../../../shared/jsonrpc/scanner.ts";
import { type CallRewriting, writeCall } from "./write_call.ts";

const ENVELOPE = '"io.modelcontextprotocol/protocolVersion":"2026-07-28",' +
  '"io.modelcontextprotocol/clientCapabilities":{"roots":{}},' +
  '"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},' +
  '"io.modelcontextprotocol/logLevel":"info"';

const CASES: readonly {
  readonly name: string;
  readonly method: string;
  readonly params: string | undefined;
  readonly to: Omit<CallRewriting, "id">;
  readonly want: string;
}[] = [
  {
    name: "leaves out what only the stateless era has",
    method: "tools/call",
    params: `{"name":"add","arguments":{},"_meta":{${ENVELOPE}}}`,
    to: { name: "add" },
    want: '{"name":"add","arguments":{}}',
  },
  {
    name: "keeps whatever else stands in _meta",
    method: "tools/call",
    params:
      `{"_meta":{"traceparent":"00-1",${ENVELOPE},"x/y":[1.0]},"name":"add"}`,
    to: { name: "add" },
    want: '{"_meta":{"traceparent":"00-1","x/y":[1.0]},"name":"add"}',
  },
  {
    name: "removes a prefix and leaves arguments as they were written",
    method: "tools/call",
    params: `{"name":"notes_add","arguments":{ "big": 9007199254740993,` +
      ` "e": 1e400, "s":"\\u0041"}}`,
    to: { name: "add" },
    want: '{"name":"add","arguments":{ "big": 9007199254740993,' +
      ' "e": 1e400, "s":"\\u0041"}}',
  },
  {
    name: "keeps the spelling of a name that has no prefix",
    method: "prompts/get",
    params: '{"name":"caf\\u00e9"}',
    to: { name: "café" },
    want: '{"name":"caf\\u00e9"}',
  },
  {
    name: "asks for progress under its own token",
    method: "tools/call",
    params: `{"name":"add","_meta":{${ENVELOPE},"progressToken":7}}`,
    to: { name: "add", progressToken: '"call-1"' },
    want: '{"name":"add","_meta":{"progressToken":"call-1"}}',
  },
  {
    name: "leaves out what belongs to a retry",
    method: "tools/call",
    params: '{"name":"add","inputResponses":{"a":{}},"requestState":"s"}',
    to: { name: "add" },
    want: '{"name":"add"}',
  },
  {
    name: "makes no task of a call",
    method: "tools/call",
    params: '{"name":"add","task":{"ttl":1}}',
    to: { name: "add" },
    want: '{"name":"add"}',
  },
  {
    name: "leaves a URI alone",
    method: "resources/read",
    params: '{"uri":"file:\\/\\/a"}',
    to: { name: "file://a" },
    want: '{"uri":"file:\\/\\/a"}',
  },
  {
    name: "removes the prefix of the prompt that a completion names",
    method: "completion/complete",
    params: '{"ref":{"type":"ref/prompt","name":"notes_p"},"argument":{}}',
    to: { name: "p" },
    want: '{"ref":{"type":"ref/prompt","name":"p"},"argument":{}}',
  },
  {
    name: "leaves the template that a completion names alone",
    method: "completion/complete",
    params: '{"ref":{"type":"ref/resource","uri":"a://{b}"},"argument":{}}',
    to: { name: "a://{b}" },
    want: '{"ref":{"type":"ref/resource","uri":"a://{b}"},"argument":{}}',
  },
];
for (const { name, method, params, to, want } of CASES) {
  Deno.test(`writeCall() ${name}`, () => {
    const body = new TextEncoder().encode(
      `{"id": "client's", "method":"${method}","params":${params},"jsonrpc":"2.0"}`,
    );
    const request = scan(body) as RequestMessage;
    assertEquals(
      writeCall(body, request, { id: '"call-1"', ...to }),
      `{"jsonrpc":"2.0","id":"call-1","method":"${method}","params":${want}}`,
    );
  });
}

Deno.test("writeCall() adds no params where there are none", () => {
  const body = new TextEncoder().encode(
    '{"jsonrpc":"2.0","id":1,"method":"x/y"}',
  );
  assertEquals(
    writeCall(body, scan(body) as RequestMessage, { id: "2", name: "" }),
    '{"jsonrpc":"2.0","id":2,"method":"x/y"}',
  );
});
