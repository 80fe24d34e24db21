import { assert, assertEquals } from "@std/assert";
import { callCell, result } from "./_testing.ts";
import { picture } from "./picture.ts";

const svg = picture(result(
  callCell("call/session/prefixed/300B/1"),
  callCell("call/stateless/prefixed/300B/64"),
));

Deno.test("picture() draws bars as long as what they stand for", () => {
  const width = (style: string) =>
    Number(
      new RegExp(`<rect class="${style}" x="130"[^>]* width="(\\d+)"`).exec(
        svg,
      )?.[1],
    );
  // 10,000, 4,000 and 3,000 calls per second, in whole pixels.
  const near = (style: string, share: number) =>
    Math.abs(width(style) / width("a") - share) < 0.005;
  assert(near("b", 0.4) && near("c", 0.3), svg);
});

Deno.test("picture() leaves out what was not measured", () => {
  assertEquals(svg.match(/in sessions, \d+/g), ["in sessions, 1"]);
  assertEquals(svg.match(/stateless, \d+/g), ["stateless, 64"]);
});

Deno.test("picture() is XML whose elements are all closed", () => {
  const open: string[] = [];
  for (
    const [, close, name = "", self] of svg.matchAll(
      /<(\/?)(\w+)[^>]*?(\/?)>/g,
    )
  ) {
    if (close) assertEquals(open.pop(), name);
    else if (!self) open.push(name);
  }
  assertEquals(open, []);
});
