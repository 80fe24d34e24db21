import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import type { ListKind } from "./kinds.ts";
import { prepareItem } from "./prepare_item.ts";

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
  Deno.test(`prepareItem() lists a tool whose properties have ${name}`, () => {
    const text =
      `{ "name" : "t" ,"inputSchema":{"type":"object","properties":{"a":${schema}}},"odd":9007199254740993 }`;
    const outcome = prepareItem("tools", encode(text), "p_");
    assert(outcome.kind === "item");
    assertEquals(
      decode(outcome.item.bytes),
      text.replace('"t"', '"p_t"'),
    );
    assertEquals(outcome.item.name, "t");
    assertEquals(outcome.item.exposed, "p_t");
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
  Deno.test(`prepareItem() leaves out ${tool.slice(0, 60)}: ${reason}`, () => {
    const outcome = prepareItem("tools", encode(tool), "p_");
    assert(outcome.kind === "left out");
    assertStringIncludes(outcome.reason, reason);
  });
}

Deno.test("prepareItem() leaves out a tool that is not UTF-8", () => {
  const tool = encode(`{"name":"t",${SCHEMA},"title":"?"}`);
  tool[tool.lastIndexOf(0x3f)] = 0xe9; // Latin-1
  assertEquals(prepareItem("tools", tool, "p_"), {
    kind: "left out",
    reason: 'tool "t": not valid UTF-8',
  });
});

Deno.test("prepareItem() changes nothing but the name, whatever the tool", () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[\w.-]{1,40}$/),
      fc.dictionary(fc.string().map((key) => `x${key}`), fc.jsonValue()),
      (name, extras) => {
        const tool = { ...extras, name, inputSchema: { type: "object" } };
        const outcome = prepareItem(
          "tools",
          encode(JSON.stringify(tool)),
          "p_",
        );
        assert(outcome.kind === "item");
        assertEquals(
          decode(outcome.item.bytes),
          JSON.stringify({ ...tool, name: `p_${name}` }),
        );
      },
    ),
  );
});

const LISTED_AS: readonly {
  kind: ListKind;
  item: string;
  want: string;
  exposed: string;
}[] = [
  {
    kind: "prompts",
    item:
      '{"arguments":[{"name":"a","required":true}], "name":"ask" ,"x":1e400}',
    want:
      '{"arguments":[{"name":"a","required":true}], "name":"p_ask" ,"x":1e400}',
    exposed: "p_ask",
  },
  {
    kind: "resources",
    item: '{"uri":"file:///\\u00e4","name":"n","size":9007199254740993}',
    want: '{"uri":"file:///\\u00e4","name":"n","size":9007199254740993}',
    exposed: "file:///ä",
  },
  {
    kind: "templates",
    item: '{"name":"n","uriTemplate":"a:{b}", "x":[]}',
    want: '{"name":"n","uriTemplate":"a:{b}", "x":[]}',
    exposed: "a:{b}",
  },
];
for (const { kind, item, want, exposed } of LISTED_AS) {
  Deno.test(`prepareItem() shows one of the ${kind} as ${exposed}`, () => {
    const outcome = prepareItem(kind, encode(item), "p_");
    assert(outcome.kind === "item");
    assertEquals(decode(outcome.item.bytes), want);
    assertEquals(outcome.item.exposed, exposed);
  });
}

const LEFT_OUT_AS: readonly {
  kind: ListKind;
  item: string;
  reason: string;
}[] = [
  { kind: "prompts", item: "[]", reason: "a prompt is not an object" },
  { kind: "prompts", item: '{"title":"x"}', reason: "a prompt has no name" },
  {
    kind: "prompts",
    item: '{"name":"x","arguments":{}}',
    reason: 'prompt "x": arguments is not an array',
  },
  {
    kind: "prompts",
    item: '{"name":"x","arguments":[{"name":"a"},{"required":true}]}',
    reason: 'prompt "x": arguments[1]: name is missing',
  },
  {
    kind: "prompts",
    item: '{"name":"x","arguments":["a"]}',
    reason: 'prompt "x": arguments[0]: it is not an object',
  },
  {
    kind: "resources",
    item: '{"name":"x"}',
    reason: "a resource has no uri",
  },
  {
    kind: "resources",
    item: '{"uri":"","name":"x"}',
    reason: 'resource "": its uri is empty',
  },
  {
    kind: "resources",
    item: '{"uri":"a:b"}',
    reason: 'resource "a:b": name is missing',
  },
  {
    kind: "resources",
    item: '{"uri":"a:b","name":"x","size":"big"}',
    reason: 'resource "a:b": size is not a number',
  },
  {
    kind: "resources",
    item: `{"uri":"a:${"b".repeat(8_191)}","name":"x"}`,
    reason: "its uri has 8193 characters, at most 8192 are allowed",
  },
  {
    kind: "templates",
    item: '{"uri":"a:b","name":"x"}',
    reason: "a template has no uriTemplate",
  },
  {
    kind: "templates",
    item: '{"uriTemplate":"a:{b}","name":"x","name":"y"}',
    reason: 'template "a:{b}": duplicate key',
  },
];
for (const { kind, item, reason } of LEFT_OUT_AS) {
  Deno.test(`prepareItem() leaves out of ${kind} ${item.slice(0, 60)}`, () => {
    const outcome = prepareItem(kind, encode(item), "p_");
    assert(outcome.kind === "left out");
    assertStringIncludes(outcome.reason, reason);
  });
}
