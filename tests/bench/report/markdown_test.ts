import { assert, assertEquals, assertThrows } from "@std/assert";
import { spread } from "../statistics.ts";
import { callCell, result } from "./_testing.ts";
import { fullReport, putBetween, shortReport } from "./markdown.ts";

const CALL = "call/session/prefixed/300B/16";

Deno.test("shortReport() shows calls side by side, and the machine", () => {
  const text = shortReport(result(callCell(CALL), callCell("call/other")));
  assert(
    text.includes(
      "| 300 B, in sessions, 16 clients | 20000 | 10000 | 4000 | 3000 | 0.75 |" +
        " 100 µs | 250 µs | 333 µs | 110 µs | 140 µs |",
    ),
    text,
  );
  assertEquals(text.match(/^\| /gm)?.length, 3, "one row, and two of the head");
  assert(text.includes("on 2026-12-24 by `deno task bench`: 3 rounds"), text);
  assert(text.includes("Some CPU, 2 cores"), text);
  assert(text.includes("Of 2 goals that the project has set itself, 2 are"));
  assert(text.includes("Of 74,000 requests, none failed."), text);
});

Deno.test("fullReport() says which goal is not met", () => {
  const cell = {
    ...callCell(CALL),
    figures: [{
      what: "calls",
      unit: "",
      ...spread([0.5, 0.6]),
      target: { atLeast: 0.75, atMost: 3 },
    }],
    failures: 3,
  };
  const start = {
    ...cell,
    cell: "start",
    paths: {},
    figures: [{ what: "ready", unit: "ms", ...spread([250]) }],
  };
  const text = fullReport(result(cell, start));
  assert(
    text.includes(
      `| \`${CALL}\` | calls | >= 0.75, <= 3 | 0.55 | 0.50 to 0.60 | **not met** |`,
    ),
    text,
  );
  assert(text.includes("| `start` | ready | 250 ms |  |"), text);
  assert(shortReport(result(cell)).includes("3 failed"));
});

Deno.test("shortReport() says that the machine was busy", () => {
  const idle = result(callCell(CALL));
  const busy = { ...idle, machine: { ...idle.machine, load: 3 } };
  assert(shortReport(busy).includes("say little"));
  assert(!shortReport(idle).includes("say little"));
});

Deno.test("putBetween() replaces what is between its two comments", () => {
  const text = "a\n<!-- bench:x -->\nold\n<!-- /bench:x -->\nb";
  assertEquals(
    putBetween(text, "x", "new"),
    "a\n<!-- bench:x -->\n\nnew\n\n<!-- /bench:x -->\nb",
  );
  for (const wrong of ["", text + text, text.replace("/bench", "bench")]) {
    assertThrows(() => putBetween(wrong, "x", "new"), Error, "bench:x");
  }
});
