import { assertEquals } from "@std/assert";
import { type Command, findCommand, runCommandLine } from "./command_line.ts";

const ran: string[] = [];

function command(name: string): Command {
  return {
    name,
    summary: `Does ${name}`,
    run: (args, _env, program) => {
      ran.push(`${program} with ${args.join(" ")}`);
      return Promise.resolve(7);
    },
  };
}

const LINE = {
  program: "router",
  summary: "Routes.",
  options: { port: { kind: "integer", min: 1, max: 9, help: "Port" } },
  commands: [command("check"), command("envoy-config")],
  elsewhere: { paint: "a brush" },
  run: () => Promise.resolve(0),
} as const;

const cases: readonly {
  readonly args: readonly string[];
  readonly want: string;
}[] = [
  { args: [], want: "program" },
  { args: ["--port", "1"], want: "program" },
  { args: ["-h"], want: "program" },
  { args: ["check", "--help"], want: "command check" },
  {
    args: ["envoy-conf"],
    want: 'Unknown command "envoy-conf": did you mean envoy-config?',
  },
  {
    args: ["serve"],
    want: 'Unknown command "serve": want check or envoy-config, or options',
  },
  {
    args: ["paint"],
    want: 'Unknown command "paint": router has none such, use a brush',
  },
];

for (const { args, want } of cases) {
  Deno.test(`findCommand() takes ${JSON.stringify(args)} for ${want}`, () => {
    const found = findCommand(LINE, args);
    assertEquals(
      found.kind === "program"
        ? "program"
        : found.kind === "command"
        ? `command ${found.command.name}`
        : found.problem,
      want,
    );
  });
}

Deno.test("findCommand() takes every argument for the program's own where it has no commands", () => {
  const { commands: _, ...plain } = LINE;
  assertEquals(findCommand(plain, ["check"]), { kind: "program" });
});

Deno.test("runCommandLine() hands a command the arguments behind it and its full name", async () => {
  ran.length = 0;
  assertEquals(await runCommandLine(LINE, ["check", "a", "b"], new Map()), 7);
  assertEquals(ran, ["router check with a b"]);
});
