import { assertEquals } from "@std/assert";
import {
  config as gatewayConfig,
  server as serverConfig,
} from "../../shared/_testing.ts";
import { itemsOf, toolBytes } from "../_testing/tools.ts";
import { NO_ITEMS } from "./kinds.ts";
import { mergeCatalog, type ServerList } from "./merge.ts";

const SERVERS = [
  serverConfig("plain"),
  serverConfig("p", { prefix: "p_" }),
  serverConfig("own", { prefix: "own_", userSpecificList: true }),
  serverConfig("off", { prefix: "off_", state: "Disabled" }),
];

const CASES: readonly {
  readonly name: string;
  readonly tools?: readonly string[];
  readonly prompts?: readonly string[];
  readonly lists?: Readonly<Record<string, Partial<ServerList>>>;
  readonly want: readonly string[];
}[] = [
  { name: "names that servers have", tools: ["x", "p_y"], want: [] },
  {
    name: "names that no server has",
    tools: ["x", "p_x", "__proto__", "off_x"],
    prompts: ["p_y"],
    want: [
      'tool "p_x": no server has it',
      'tool "__proto__": no server has it',
      'tool "off_x": no server has it',
      'prompt "p_y": no server has it',
    ],
  },
  {
    name: "names of a server that is down",
    tools: ["x", "nope"],
    lists: { plain: { listed: false } },
    want: ['tool "nope": no server has it'],
  },
  {
    name: "names that a server may have that was never listed",
    tools: ["p_z", "nope"],
    lists: { p: { pending: true, items: NO_ITEMS, listed: false } },
    want: ['tool "nope": no server has it'],
  },
  {
    name: "names that any server may have while one was never listed",
    tools: ["p_z", "nope"],
    lists: { plain: { pending: true, items: NO_ITEMS, listed: false } },
    want: ['tool "p_z": no server has it'],
  },
  { name: "names that some callers may see", tools: ["own_any"], want: [] },
];
for (const { name, tools = [], prompts = [], lists = {}, want } of CASES) {
  Deno.test(`virtualProblems() of ${name}: ${want.length}`, () => {
    const list = (server: string, ...names: string[]): ServerList => ({
      server,
      listed: true,
      pending: false,
      items: {
        ...itemsOf({ prompts: [{ name: "ask" }] }),
        tools: names.map((tool) => toolBytes(tool)),
      },
      ...lists[server],
    });
    const { virtualProblems } = mergeCatalog(
      gatewayConfig(SERVERS, [
        { name: "v", tools, prompts },
        { name: "well", tools: [] },
      ]),
      [list("plain", "x"), list("p", "y"), list("own")],
    );
    assertEquals([...virtualProblems], want.length === 0 ? [] : [["v", want]]);
  });
}
