import { assert, assertEquals } from "@std/assert";
import { ListToolsResultSchema } from "@modelcontextprotocol/sdk/types.js";
import type { Era } from "../../shared/mcp.ts";
import { toolForms } from "./tool_forms.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array | null) =>
  bytes && new TextDecoder().decode(bytes);

const tool = (more: string, properties = "{}") =>
  `{"name":"t","inputSchema":{"type":"object","properties":${properties}}${more},"x":1e400}`;
const MIRRORED = '{"r":{"type":"string","x-mcp-header":"Region"}}';
const WRONG =
  '{"n":{"type":"number","x-mcp-header":"N"},"x-mcp-header":{"type":"string"}}';

const CASES: readonly {
  readonly name: string;
  readonly era: Era;
  readonly tool: string;
  readonly session?: string;
  readonly stateless?: string | null;
  readonly doubt?: string;
}[] = [
  { name: "nothing special", era: "session", tool: tool("") },
  { name: "nothing special", era: "stateless", tool: tool("") },
  { name: "a mirrored argument", era: "session", tool: tool("", MIRRORED) },
  { name: "a mirrored argument", era: "stateless", tool: tool("", MIRRORED) },
  {
    name: "an annotation that is not valid",
    era: "session",
    tool: tool("", WRONG),
    stateless: tool(
      "",
      '{"n":{"type":"number"},"x-mcp-header":{"type":"string"}}',
    ),
    doubt:
      'x-mcp-header "N" is on a property whose type is not string, integer or boolean: stateless clients do not see that',
  },
  {
    name: "annotations below a list",
    era: "session",
    tool: tool(
      "",
      '{"l":{"items":[{"x-mcp-header":"A","type":"string"},{"type":"string","x-mcp-header":"B"}]}}',
    ),
    stateless: tool(
      "",
      '{"l":{"items":[{"type":"string"},{"type":"string"}]}}',
    ),
    doubt:
      "x-mcp-header stands where no chain of properties leads to: stateless clients do not see that",
  },
  {
    name: "a need to be called as a task",
    era: "session",
    tool: tool(',"execution":{"taskSupport":"required"}'),
    stateless: null,
  },
  {
    name: "the schema of an array as output",
    era: "stateless",
    tool: tool(',"outputSchema":{"type":"array","maxItems":9007199254740993}'),
    session: tool(
      ',"outputSchema":{"type":"object","properties":{"result":{"type":"array","maxItems":9007199254740993}},"required":["result"]}',
    ),
  },
  {
    name: "the schema of an array as output",
    era: "session",
    tool: tool(',"outputSchema":{"type":"array"}'),
    session: tool(""),
    doubt:
      "its outputSchema is not that of an object: clients with sessions do not see it",
  },
  {
    name: "an output schema that refers to a part of itself",
    era: "stateless",
    tool: tool(
      ',"outputSchema":{"type":"array","items":{"$ref":"#/$defs/i"},"$defs":{"i":{}}}',
    ),
    session: tool(""),
  },
  {
    name: "an output schema of this or that",
    era: "stateless",
    tool: tool(',"outputSchema":{"type":["object","null"]}'),
    session: tool(""),
  },
  {
    name: "an output schema without a type",
    era: "stateless",
    tool: tool(',"outputSchema":{"oneOf":[{}]}'),
    session: tool(""),
  },
  {
    name: "boolean schemas of properties",
    era: "stateless",
    tool: tool(
      ',"outputSchema":{"type":"object","properties":{"b":false}}',
      '{"a": true ,"c":{"properties":{"d":true}}}',
    ),
    session: tool(
      ',"outputSchema":{"type":"object","properties":{"b":{"not":{}}}}',
      '{"a": {} ,"c":{"properties":{"d":true}}}',
    ),
  },
];
for (const { name, era, tool, session, stateless, doubt } of CASES) {
  Deno.test(`toolForms() of a ${era} server's tool with ${name}`, () => {
    const outcome = toolForms(encode(tool), { era });
    assert(outcome.kind === "forms");
    const { forms } = outcome;
    assertEquals(decode(forms.session), session ?? tool);
    assertEquals(
      decode(forms.stateless),
      stateless === undefined ? tool : stateless,
    );
    assertEquals(forms.doubts, doubt === undefined ? [] : [doubt]);
    // A client of the v1 SDK takes a list of it.
    const parsed = JSON.parse(decode(forms.session)!.replace("1e400", "1"));
    ListToolsResultSchema.parse({ tools: [parsed] });
  });
}

Deno.test("toolForms() leaves out a stateless server's tool whose x-mcp-header is not valid", () => {
  assertEquals(toolForms(encode(tool("", WRONG)), { era: "stateless" }), {
    kind: "left out",
    reason:
      'x-mcp-header "N" is on a property whose type is not string, integer or boolean',
  });
});

Deno.test("toolForms() tells what is mirrored, of servers of both eras", () => {
  for (const era of ["session", "stateless"] as const) {
    const outcome = toolForms(encode(tool("", MIRRORED)), { era });
    assert(outcome.kind === "forms");
    assertEquals(outcome.forms.paramHeaders, [
      { header: "region", path: ["r"], type: "string" },
    ]);
  }
});

Deno.test("toolForms() adapts little of a server that answers clients with sessions itself", () => {
  const plain = encode(tool("", '{"a":true}'));
  const same = toolForms(plain, { era: "stateless", sessions: true });
  assert(same.kind === "forms");
  assertEquals(same.forms.session, plain);
  const listed = tool(',"outputSchema":{"type":"array"}');
  const spoken = { era: "stateless", sessions: true } as const;
  const outcome = toolForms(encode(listed), spoken);
  assert(outcome.kind === "forms");
  assertEquals(decode(outcome.forms.session), tool(""));
  assertEquals(decode(outcome.forms.stateless), listed);
});
