/** @module */

import { assertEquals, assertThrows } from "@std/assert";
import {
  type Check,
  findProblems,
  judge,
  parseExpectedFailures,
} from "./verdict.ts";

function check(id: string, status: Check["status"]): Check {
  return { id, status, description: "it works" };
}

const files: readonly { name: string; text: string; want: unknown }[] = [
  { name: "nothing", text: "", want: [] },
  { name: "comments and no line", text: "# none\n\nserver: []\n", want: [] },
  {
    name: "a scenario and a check, each with its reason",
    text: "server:\n  - ping # asleep\n  - tools-list:names # too long\n",
    want: [
      { scenario: "ping", reason: "asleep" },
      { scenario: "tools-list", check: "names", reason: "too long" },
    ],
  },
];

for (const { name, text, want } of files) {
  Deno.test(`parseExpectedFailures() reads ${name}`, () => {
    assertEquals(parseExpectedFailures(text), want as never);
  });
}

const badFiles: readonly { name: string; text: string; want: string }[] = [
  { name: "without a reason", text: "server:\n  - ping\n", want: "Line 2" },
  { name: "with an empty reason", text: "- ping # \n", want: "Line 1" },
  { name: "with a space in it", text: "- ping: pong # x", want: "line 1" },
  { name: "of another section", text: "client:\n", want: "line 1" },
];

for (const { name, text, want } of badFiles) {
  Deno.test(`parseExpectedFailures() refuses a line ${name}`, () => {
    assertThrows(() => parseExpectedFailures(text), Error, want);
  });
}

const findings: readonly {
  name: string;
  checks: readonly Check[] | undefined;
  reference?: readonly Check[];
  want: readonly string[];
}[] = [
  { name: "no success", checks: [check("a", "SUCCESS")], want: [] },
  { name: "a failure", checks: [check("a", "FAILURE")], want: ["a"] },
  { name: "a warning", checks: [check("a", "WARNING")], want: ["a"] },
  {
    name: "a check that was skipped",
    checks: [check("a", "SKIPPED")],
    want: ["a"],
  },
  { name: "no note", checks: [check("a", "INFO")], want: [] },
  { name: "a scenario that did not run", checks: undefined, want: [""] },
  {
    name: "a check that is missing",
    checks: [check("a", "SUCCESS")],
    reference: [check("a", "SUCCESS"), check("b", "SUCCESS")],
    want: ["b"],
  },
  {
    name: "a check that is only noted",
    checks: [check("a", "INFO")],
    reference: [check("a", "SUCCESS")],
    want: ["a"],
  },
  {
    name: "no check that the reference only notes",
    checks: [],
    reference: [check("a", "INFO")],
    want: [],
  },
];

for (const { name, checks, reference, want } of findings) {
  Deno.test(`findProblems() finds ${name}`, () => {
    const problems = findProblems(checks, reference ?? []);
    assertEquals(problems.map(({ check }) => check), want);
  });
}

const verdicts: readonly {
  name: string;
  failing: readonly string[];
  file: string;
  unexpected: readonly string[];
  stale: readonly string[];
}[] = [
  {
    name: "lets an expected scenario fail",
    failing: ["a", "b"],
    file: "- s # why",
    unexpected: [],
    stale: [],
  },
  {
    name: "lets only an expected check fail",
    failing: ["a", "b"],
    file: "- s:a # why",
    unexpected: ["b"],
    stale: [],
  },
  {
    name: "reports a line whose check passes",
    failing: ["b"],
    file: "- s:a # why\n- s:b # why",
    unexpected: [],
    stale: ["a"],
  },
  {
    name: "leaves other scenarios' lines alone",
    failing: ["a"],
    file: "- t # why",
    unexpected: ["a"],
    stale: [],
  },
];

for (const { name, failing, file, unexpected, stale } of verdicts) {
  Deno.test(`judge() ${name}`, () => {
    const verdict = judge(
      "s",
      failing.map((check) => ({ check, text: check })),
      parseExpectedFailures(file),
    );
    assertEquals(verdict.unexpected.map(({ check }) => check), unexpected);
    assertEquals(verdict.stale.map(({ check }) => check ?? ""), stale);
  });
}
