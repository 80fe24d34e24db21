import { assert, assertEquals } from "@std/assert";
import { type InstructedServer, writeInstructions } from "./instructions.ts";

const CASES: readonly {
  name: string;
  servers: readonly InstructedServer[];
  want: string | undefined;
}[] = [
  { name: "of no server", servers: [], want: undefined },
  {
    name: "of one that says nothing",
    servers: [{ server: "a" }],
    want: undefined,
  },
  {
    name: "of one, as it wrote them",
    servers: [{ server: "a", instructions: " Ask first. " }],
    want: " Ask first. ",
  },
  {
    name: "of several under a heading each, in their order",
    servers: [
      { server: "b", instructions: "Ask first." },
      { server: "silent" },
      { server: "a", instructions: "Ask twice." },
    ],
    want: "# b\n\nAsk first.\n\n# a\n\nAsk twice.",
  },
  {
    name: "of one among several under its heading, as it is not alone",
    servers: [{ server: "b", instructions: "Ask first." }, { server: "a" }],
    want: "# b\n\nAsk first.",
  },
];
for (const { name, servers, want } of CASES) {
  Deno.test(`writeInstructions() ${name}`, () => {
    assertEquals(writeInstructions(servers), want);
  });
}

Deno.test("writeInstructions() leaves out what no longer fits, server by server", () => {
  const servers = Array.from({ length: 20 }, (_, n) => ({
    server: `s${n}`,
    instructions: n === 19 ? "short" : "x".repeat(4_096),
  }));
  const text = writeInstructions(servers)!;
  assert(text.length <= 32 * 1024);
  assert(text.includes("# s6\n") && !text.includes("# s7\n"));
  assert(text.endsWith("# s19\n\nshort"));
});
