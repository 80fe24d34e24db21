import { assertEquals } from "@std/assert";
import { countTests } from "./summary.ts";

const cases: readonly {
  what: string;
  output: string;
  passed: number;
  failed: number;
}[] = [
  { what: "nothing in no output", output: "", passed: 0, failed: 0 },
  {
    what: "a plain summary",
    output: "running 2 tests\nok | 2 passed | 0 failed (10ms)\n",
    passed: 2,
    failed: 0,
  },
  {
    what: "a coloured one",
    output:
      "\n\x1b[0m\x1b[31mFAILED\x1b[0m | 7 passed (3 steps) | 2 failed | 1 ignored \x1b[0m\x1b[38;5;245m(1s)\x1b[0m\n",
    passed: 7,
    failed: 2,
  },
  {
    what: "several, added up",
    output:
      "ok | 1 passed | 0 failed (1ms)\r\nx\nok | 40 passed | 0 failed (1m2s)",
    passed: 41,
    failed: 0,
  },
  {
    what: "nothing in lines that only look like one",
    output:
      "a test named ok | 3 passed | 0 failed ... ok (2ms)\n3 passed, 0 failed",
    passed: 0,
    failed: 0,
  },
];

for (const { what, output, passed, failed } of cases) {
  Deno.test(`countTests() finds ${what}`, () => {
    assertEquals(countTests(output), { passed, failed });
  });
}
