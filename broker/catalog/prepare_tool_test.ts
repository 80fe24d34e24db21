import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { prepareTool } from "./prepare_tool.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const SCHEMA = '"inputSchema":{"type":"object"}';

const LISTED = [
  { name: "arrays of types", schema: '{"type":["string","null"]}' },
  { name: "a boolean schema", schema: "true" },
  { name: "a reference", schema: '{"$ref":"#/$defs/thing"}' },
  { name: "a number beyond doubles", schema: '{"maximum":1e400}' },
];
for (const { name, schema } of LISTED) {
  Deno.test(`prepareTool() lists a tool whose properties have ${name}`, () => {
    const text =
      `{ "name" : "t" ,"inputSchema":{"type":"object","properties":{"a":${schema}}},"odd":9007199254740993 }`;
    const outcome = prepareTool(encode(text), "p_");
    assert(outcome.kind === "tool");
    assertEquals(
      decode(outcome.tool.bytes),
      text.replace('"t"', '"p_t"'),
    );
    assertEquals(outcome.tool.name, "t");
    assertEquals(outcome.tool.exposed, "p_t");
  });
}

const LEFT_OUT = [
  { tool: "null", reason: "a tool is not an object" },
  { tool: `{${SCHEMA}}`, reason: "a tool has no name" },
  { tool: `{"name":7,${SCHEMA}}`, reason: "a tool has no name" },
  { tool: `{"name":"",${SCHEMA}}`, reason: "its name is empty" },
  {
    tool: `{"name":"${"n".repeat(127)}",${SCHEMA}}`,
    reason: "its name with prefix has 129 characters",
  },
  { tool: `{"name":"a\\nb",${SCHEMA}}`, reason: "control characters" },
  { tool: `{"name":"\\ud800",${SCHEMA}}`, reason: "broken surrogates" },
  { tool: `{"name":"t"}`, reason: "inputSchema is missing" },
  {
    tool: `{"name":"t","inputSchema":[]}`,
    reason: "inputSchema is not an object",
  },
  {
    tool: `{"name":"t","inputSchema":{"__proto__":{"type":"object"}}}`,
    reason: 'inputSchema.type is not "object"',
  },
  {
    tool: `{"name":"t",${SCHEMA},"outputSchema":true}`,
    reason: "outputSchema is not an object",
  },
  {
    tool: `{"name":"t",${SCHEMA},"description":1}`,
    reason: "description is not a string",
  },
  { tool: `{"name":"t",${SCHEMA},"name":"u"}`, reason: "duplicate key" },
  {
    tool: `{"name":"t","inputSchema":{"type":"object","$ref":"a","$ref":"b"}}`,
    reason: 'tool "t": duplicate key',
  },
  { tool: '[{"name":"t"}]', reason: "a tool is not an object" },
  {
    tool: `{"name":"t","inputSchema":{"type":["object"]}}`,
    reason: 'inputSchema.type is not "object"',
  },
  {
    tool: `{"name":"t",${SCHEMA},"x":${"[".repeat(70)}${"]".repeat(70)}}`,
    reason: "nested too deeply",
  },
];
for (const { tool, reason } of LEFT_OUT) {
  Deno.test(`prepareTool() leaves out ${tool.slice(0, 60)}: ${reason}`, () => {
    const outcome = prepareTool(encode(tool), "p_");
    assert(outcome.kind === "left out");
    assertStringIncludes(outcome.reason, reason);
  });
}

Deno.test("prepareTool() leaves out a tool that is not UTF-8", () => {
  const tool = encode(`{"name":"t",${SCHEMA},"title":"?"}`);
  tool[tool.lastIndexOf(0x3f)] = 0xe9; // Latin-1
  assertEquals(prepareTool(tool, "p_"), {
    kind: "left out",
    reason: 'tool "t": not valid UTF-8',
  });
});

Deno.test("prepareTool() changes nothing but the name, whatever the tool", () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[\w.-]{1,40}$/),
      fc.dictionary(fc.string().map((key) => `x${key}`), fc.jsonValue()),
      (name, extras) => {
        const tool = { ...extras, name, inputSchema: { type: "object" } };
        const outcome = prepareTool(encode(JSON.stringify(tool)), "p_");
        assert(outcome.kind === "tool");
        assertEquals(
          decode(outcome.tool.bytes),
          JSON.stringify({ ...tool, name: `p_${name}` }),
        );
      },
    ),
  );
});
