import { assertEquals } from "@std/assert";
import { uriMatcher } from "./uri_template.ts";

const cases: readonly { template: string; yes: string[]; no: string[] }[] = [
  {
    template: "test://template/{id}/data",
    yes: ["test://template/7/data", "test://template/a%20b/data"],
    no: ["test://template//data", "test://template/7/8/data", "test://x"],
  },
  {
    template: "file:///{+path}",
    yes: ["file:///a/b/c.txt"],
    no: ["file:///", "http:///a"],
  },
  {
    template: "db://{table}{?limit,offset}",
    yes: ["db://users", "db://users?limit=1"],
    no: ["db://users/1", "db://?limit=1"],
  },
  {
    template: "a.b*c(d)://{x}",
    yes: ["a.b*c(d)://1"],
    no: ["aXb*c(d)://1", "a.bbc(d)://1"],
  },
  {
    template: "x:{/path*}{.ext}{#part}",
    yes: ["x:", "x:/a/b.txt#c"],
    no: ["y:/a"],
  },
  { template: "plain://uri", yes: ["plain://uri"], no: ["plain://uri2"] },
];

for (const { template, yes, no } of cases) {
  Deno.test(`uriMatcher() matches ${template}`, () => {
    const matches = uriMatcher(template);
    assertEquals(yes.filter((uri) => !matches?.(uri)), []);
    assertEquals(no.filter((uri) => matches?.(uri)), []);
  });
}

for (const template of ["a{", "a}b", "{}", "{+}", "{a{b}}", "{x}".repeat(9)]) {
  Deno.test(`uriMatcher() takes ${template} for no template`, () => {
    assertEquals(uriMatcher(template), undefined);
  });
}

Deno.test("uriMatcher() gives up on a URI that would take long", () => {
  const matches = uriMatcher("{+a}x{+b}x{+c}x{+d}x");
  assertEquals(matches?.("x".repeat(100_000)), false);
});
