import { assertEquals } from "@std/assert";
import { towardsServer } from "./capabilities.ts";

const CASES: readonly {
  readonly name: string;
  readonly declared: Record<string, unknown>;
  readonly want: Record<string, unknown>;
}[] = [
  { name: "adds nothing", declared: {}, want: {} },
  {
    name: "keeps what the client can be asked",
    declared: {
      elicitation: { form: {}, url: {} },
      sampling: { tools: {} },
      experimental: { "x/y": {} },
    },
    want: {
      elicitation: { form: {}, url: {} },
      sampling: { tools: {} },
      experimental: { "x/y": {} },
    },
  },
  {
    name: "promises no news of roots",
    declared: { roots: { listChanged: true } },
    want: { roots: {} },
  },
  {
    name: "promises no tasks, of neither era",
    declared: {
      tasks: { list: {} },
      extensions: { "io.modelcontextprotocol/tasks": {}, "x/y": {} },
    },
    want: { extensions: { "x/y": {} } },
  },
  {
    name: "takes what is no object for nothing",
    declared: { roots: true, extensions: 1 },
    want: {},
  },
];
for (const { name, declared, want } of CASES) {
  Deno.test(`towardsServer() ${name}`, () => {
    assertEquals(towardsServer(declared), want);
  });
}
