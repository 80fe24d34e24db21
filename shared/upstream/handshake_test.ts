import { assertEquals } from "@std/assert";
import { readIntroduction } from "./handshake.ts";

const RESULT = { protocolVersion: "2025-11-25", capabilities: { tools: {} } };

const INSTRUCTIONS = [
  { name: "text", instructions: "Ask first.", want: "Ask first." },
  { name: "nothing", instructions: undefined, want: undefined },
  { name: "no text", instructions: 7, want: undefined },
  { name: "blanks", instructions: " \n", want: undefined },
  {
    name: "a long text, cut",
    instructions: "x".repeat(5_000),
    want: `${"x".repeat(4_095)}…`,
  },
  {
    name: "a long text, cut between the halves of a character",
    instructions: "x".repeat(4_094) + "😀".repeat(9),
    want: `${"x".repeat(4_094)}\ufffd…`,
  },
];
for (const { name, instructions, want } of INSTRUCTIONS) {
  Deno.test(`readIntroduction() takes as instructions ${name}`, () => {
    assertEquals(
      readIntroduction({ ...RESULT, instructions }).instructions,
      want,
    );
  });
}
