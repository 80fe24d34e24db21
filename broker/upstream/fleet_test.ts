import { assertEquals } from "@std/assert";
import { server as serverConfig } from "../../shared/_testing.ts";
import { planFleet } from "./fleet.ts";

const a = serverConfig("a");
const b = serverConfig("b");
const b2 = serverConfig("b", { prefix: "b_" });

const PLANS = [
  { name: "nothing", before: [], after: [], keep: [], start: [], stop: [] },
  {
    name: "a first one",
    before: [],
    after: [a],
    keep: [],
    start: ["a"],
    stop: [],
  },
  {
    name: "another order",
    before: [a, b],
    after: [b, a],
    keep: ["b", "a"],
    start: [],
    stop: [],
  },
  {
    name: "a changed one",
    before: [a, b],
    after: [a, b2],
    keep: ["a"],
    start: ["b"],
    stop: ["b"],
  },
  {
    name: "one less",
    before: [a, b],
    after: [b],
    keep: ["b"],
    start: [],
    stop: ["a"],
  },
];
for (const { name, before, after, ...want } of PLANS) {
  Deno.test(`planFleet() plans for ${name}`, () => {
    const { keep, start, stop } = planFleet(before, after);
    assertEquals({ keep, start: start.map((s) => s.name), stop }, want);
  });
}
