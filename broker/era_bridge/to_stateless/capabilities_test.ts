import { assertEquals } from "@std/assert";
import { parseExactly } from "../../../shared/jsonrpc/parse_exactly.ts";
import type {
  ClientCapabilities,
  SessionRevision,
} from "../../../shared/mcp.ts";
import { declaredFor } from "./capabilities.ts";

const ALL: ClientCapabilities = {
  roots: { listChanged: true },
  sampling: { tools: {}, context: {} },
  elicitation: { form: {}, url: {} },
  tasks: { list: {} },
  experimental: { x: { listChanged: true } },
  extensions: {
    "io.modelcontextprotocol/tasks": {},
    "io.modelcontextprotocol/ui": { mimeTypes: ["text/html"] },
  },
  "com.example": true,
};
const KEPT = {
  experimental: { x: { listChanged: true } },
  extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html"] } },
  "com.example": true,
};

const CASES: readonly {
  readonly name: string;
  readonly declared: ClientCapabilities;
  readonly revision: SessionRevision;
  readonly want: ClientCapabilities;
}[] = [
  {
    name: "all that 2025-11-25 has, but for tasks and changes of roots",
    declared: ALL,
    revision: "2025-11-25",
    want: {
      roots: {},
      sampling: { tools: {}, context: {} },
      elicitation: { form: {}, url: {} },
      ...KEPT,
    },
  },
  {
    name: "forms, and sampling without tools, of 2025-06-18",
    declared: ALL,
    revision: "2025-06-18",
    want: { roots: {}, sampling: {}, elicitation: {}, ...KEPT },
  },
  {
    name: "no elicitation of 2025-03-26, which has none",
    declared: ALL,
    revision: "2025-03-26",
    want: { roots: {}, sampling: {}, ...KEPT },
  },
  {
    name: "elicitation without modes as it is",
    declared: { elicitation: {} },
    revision: "2025-11-25",
    want: { elicitation: {} },
  },
  {
    name: "nothing of what is no object",
    declared: { roots: true, sampling: [], elicitation: "yes", extensions: 1 },
    revision: "2025-11-25",
    want: {},
  },
  {
    name: "nothing of nothing",
    declared: {},
    revision: "2025-11-25",
    want: {},
  },
];
for (const { name, declared, revision, want } of CASES) {
  Deno.test(`declaredFor() declares ${name}`, () => {
    assertEquals(declaredFor(declared, revision), want);
  });
}

Deno.test("declaredFor() keeps numbers that no double holds", () => {
  const json = '{"experimental":{"n":9007199254740993}}';
  const declared = declaredFor(
    parseExactly(json) as ClientCapabilities,
    "2025-11-25",
  );
  assertEquals(JSON.stringify(declared), json);
});
