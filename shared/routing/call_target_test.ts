import { assert, assertEquals } from "@std/assert";
import { scan } from "../jsonrpc/scanner.ts";
import { callTarget } from "./call_target.ts";

const CASES: readonly {
  name: string;
  method: string;
  params?: unknown;
  want: string;
}[] = [
  {
    name: "a tool by its name",
    method: "tools/call",
    params: { uri: "x", name: "now" },
    want: "tool now",
  },
  {
    name: "a prompt by its name",
    method: "prompts/get",
    params: { name: "\u00e9" },
    want: "prompt \u00e9",
  },
  ...["read", "subscribe", "unsubscribe"].map((verb) => ({
    name: `a resource to ${verb} by its URI`,
    method: `resources/${verb}`,
    params: { name: "x", uri: "a:b" },
    want: "resource a:b",
  })),
  {
    name: "the prompt that is completed",
    method: "completion/complete",
    params: { name: "x", ref: { type: "ref/prompt", name: "ask" } },
    want: "prompt ask",
  },
  {
    name: "the template that is completed",
    method: "completion/complete",
    params: { ref: { uri: "a:{b}", type: "ref/resource" } },
    want: "resource a:{b}",
  },
  { name: "a list is nobody's", method: "tools/list", want: "none" },
  {
    name: "a tool without params",
    method: "tools/call",
    want: "params.name must be a string",
  },
  {
    name: "a tool whose name is a number",
    method: "tools/call",
    params: { name: 1 },
    want: "params.name must be a string",
  },
  {
    name: "a tool whose name is too long",
    method: "tools/call",
    params: { name: "n".repeat(257) },
    want: "params.name is too long for a name",
  },
  {
    name: "a resource without URI",
    method: "resources/read",
    params: {},
    want: "the uri must be a string",
  },
  {
    name: "a resource whose URI is too long",
    method: "resources/read",
    params: { uri: "u".repeat(8193) },
    want: "the uri is too long",
  },
  {
    name: "a completion of nothing",
    method: "completion/complete",
    params: { ref: "ref/prompt" },
    want: "params.ref must be an object",
  },
  {
    name: "a completion of a tool",
    method: "completion/complete",
    params: { ref: { type: "ref/tool", name: "now" } },
    want: "params.ref.type is neither ref/prompt nor ref/resource",
  },
  {
    name: "a completion that servers might read in two ways",
    method: "completion/complete",
    params: { ref: { type: "ref/prompt", name: "ask", Name: "other" } },
    want: "params.ref has a variant of a member's name",
  },
];

for (const { name, method, params, want } of CASES) {
  Deno.test(`callTarget() finds ${name}`, () => {
    const bytes = new TextEncoder().encode(
      JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    );
    const request = scan(bytes);
    assert(request.kind === "request");
    const found = callTarget(bytes, request);
    switch (found.kind) {
      case "target": {
        const { start, end, value } = found.named;
        assertEquals(`${found.target} ${value}`, want);
        const written = new TextDecoder().decode(bytes.subarray(start, end));
        assertEquals(JSON.parse(written), value);
        break;
      }
      case "none":
        assertEquals("none", want);
        break;
      case "refused":
        assertEquals(found.refusal, { kind: "invalid params", detail: want });
        break;
      default:
        found satisfies never;
    }
  });
}
