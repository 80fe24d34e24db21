import { assert, assertEquals } from "@std/assert";
import type { ListKind } from "./kinds.ts";
import { prepareItem } from "./prepare_item.ts";

const INPUT = { inputSchema: { type: "object" } };

const CASES: readonly {
  readonly name: string;
  readonly kind?: ListKind;
  readonly item: Readonly<Record<string, unknown>>;
  readonly want: readonly string[];
}[] = [
  { name: "nothing in plain text", item: { name: "t", ...INPUT }, want: [] },
  {
    name: "nothing in other scripts, with their joiners and emoji",
    item: {
      name: "größe",
      ...INPUT,
      title: "می\u200cخواهم 👨\u200d👩\u200d👧 ❤\ufe0f 日本語",
    },
    want: [],
  },
  {
    name: "nothing in a backslash before u200b",
    item: { name: "t", ...INPUT, description: "\\u200b é" },
    want: [],
  },
  {
    name: "a zero-width space in a name",
    item: { name: "t\u200b", ...INPUT },
    want: ['tool "t\\u{200b}": its name has an invisible character, U+200B'],
  },
  {
    name: "a joiner in a name",
    item: { name: "t\u200d", ...INPUT },
    want: ['tool "t\\u{200d}": its name has an invisible character, U+200D'],
  },
  {
    name: "tag characters in a description",
    item: { name: "t", ...INPUT, description: "Hi\u{e0041}" },
    want: ['tool "t": its description has an invisible character, U+E0041'],
  },
  {
    name: "a turned direction in a title",
    item: { name: "t", ...INPUT, title: "a\u202eb" },
    want: ['tool "t": its title has an invisible character, U+202E'],
  },
  {
    name: "what hides deep in a schema",
    item: {
      name: "t",
      inputSchema: {
        type: "object",
        properties: { a: { description: "x\u2062" } },
      },
    },
    want: ['tool "t": its inputSchema has an invisible character, U+2062'],
  },
  {
    name: "each member that has one",
    item: { name: "t", ...INPUT, title: "\ufeff", description: "\u00ad" },
    want: [
      'tool "t": its title has an invisible character, U+FEFF',
      'tool "t": its description has an invisible character, U+00AD',
    ],
  },
  {
    name: "a prompt's",
    kind: "prompts",
    item: { name: "p", description: "\u2060" },
    want: ['prompt "p": its description has an invisible character, U+2060'],
  },
  {
    name: "a URI's",
    kind: "resources",
    item: { uri: "a:\u200b", name: "n" },
    want: [
      'resource "a:\\u{200b}": its uri has an invisible character, U+200B',
    ],
  },
  {
    name: "a name that not every client takes",
    item: { name: "x".repeat(63), ...INPUT },
    want: [
      `tool "${
        "x".repeat(63)
      }": its name with prefix has 65 characters, and some clients take no more than 64`,
    ],
  },
  {
    name: "nothing in the longest name that every client takes",
    item: { name: "x".repeat(62), ...INPUT },
    want: [],
  },
  {
    name: "a tool that can be called as a task only",
    item: { name: "t", ...INPUT, execution: { taskSupport: "required" } },
    want: [
      'tool "t": it can be called as a task only, which the gateway does not offer',
    ],
  },
  {
    name: "nothing in a tool that can be called as a task too",
    item: { name: "t", ...INPUT, execution: { taskSupport: "optional" } },
    want: [],
  },
  {
    name: "nothing in a long URI",
    kind: "resources",
    item: { uri: `a:${"b".repeat(100)}`, name: "n" },
    want: [],
  },
];
const escaped = (json: string) =>
  json.replace(
    /[^\u0020-\u007e]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
for (const { name, kind = "tools", item, want } of CASES) {
  for (const [how, write] of [["as it is", String], ["escaped", escaped]]) {
    Deno.test(`prepareItem() doubts ${name}, written ${how}`, () => {
      const json = (write as (json: string) => string)(JSON.stringify(item));
      const outcome = prepareItem(kind, new TextEncoder().encode(json), "p_");
      assert(outcome.kind === "item", "it is listed all the same");
      assertEquals(outcome.doubts, want);
    });
  }
}
