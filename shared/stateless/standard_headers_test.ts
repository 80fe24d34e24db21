import { assert, assertEquals } from "@std/assert";
import { scan } from "../jsonrpc/scanner.ts";
import { checkStandardHeaders } from "./standard_headers.ts";

const CASES: readonly {
  readonly name: string;
  readonly method: string;
  readonly params: Record<string, unknown>;
  readonly headers: Record<string, string>;
  readonly want: string | undefined;
}[] = [
  {
    name: "a plain name",
    method: "tools/call",
    params: { name: "now" },
    headers: { "mcp-method": "tools/call", "mcp-name": "now" },
    want: undefined,
  },
  {
    name: "a name in Base64",
    method: "prompts/get",
    params: { name: "café" },
    headers: { "mcp-method": "prompts/get", "mcp-name": "=?base64?Y2Fmw6k=?=" },
    want: undefined,
  },
  {
    name: "white space around values",
    method: "tools/call",
    params: { name: "now" },
    headers: { "mcp-method": " tools/call\t", "mcp-name": "\t now " },
    want: undefined,
  },
  {
    name: "a URI",
    method: "resources/read",
    params: { uri: "test://a" },
    headers: { "mcp-method": "resources/read", "mcp-name": "test://a" },
    want: undefined,
  },
  {
    name: "a name like an encoded one, in capital letters",
    method: "tools/call",
    params: { name: "=?BASE64?Y2Fmw6k=?=" },
    headers: { "mcp-method": "tools/call", "mcp-name": "=?BASE64?Y2Fmw6k=?=" },
    want: undefined,
  },
  {
    name: "a method without a name, and any Mcp-Name",
    method: "tools/list",
    params: {},
    headers: { "mcp-method": "tools/list", "mcp-name": "x" },
    want: undefined,
  },
  {
    name: "no Mcp-Method",
    method: "tools/list",
    params: {},
    headers: {},
    want: "Mcp-Method is missing",
  },
  {
    name: "another case of the method",
    method: "tools/list",
    params: {},
    headers: { "mcp-method": "Tools/List" },
    want: "Mcp-Method is not the method of the body",
  },
  {
    name: "no Mcp-Name",
    method: "tools/call",
    params: { name: "now" },
    headers: { "mcp-method": "tools/call" },
    want: "Mcp-Name is missing",
  },
  {
    name: "another name",
    method: "tools/call",
    params: { name: "now" },
    headers: { "mcp-method": "tools/call", "mcp-name": "then" },
    want: "Mcp-Name is not the name in the body",
  },
  {
    name: "Base64 that is none",
    method: "tools/call",
    params: { name: "now" },
    headers: { "mcp-method": "tools/call", "mcp-name": "=?base64?bm93!?=" },
    want: "Mcp-Name is malformed: its Base64 is not valid",
  },
  {
    name: "Base64 without its padding",
    method: "tools/call",
    params: { name: "caf" },
    headers: { "mcp-method": "tools/call", "mcp-name": "=?base64?Y2FmZQ?=" },
    want: "Mcp-Name is malformed: its Base64 is not valid",
  },
  {
    name: "Base64 of what is not UTF-8",
    method: "tools/call",
    params: { name: "x" },
    headers: { "mcp-method": "tools/call", "mcp-name": "=?base64?/w==?=" },
    want: "Mcp-Name is malformed: its Base64 is not that of UTF-8",
  },
];
for (const { name, method, params, headers, want } of CASES) {
  Deno.test(`checkStandardHeaders() on ${name}`, () => {
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const request = scan(new TextEncoder().encode(body));
    assert(request.kind === "request");
    assertEquals(
      checkStandardHeaders(request, (header) => headers[header])?.detail,
      want,
    );
  });
}
