import { assertEquals, assertThrows } from "@std/assert";
import { parseSelector, selects } from "./selector.ts";

const LABELS = new Map([["mcp", "true"], ["tier", "prod"], [
  "example.com/x",
  "",
]]);

for (
  const { selector, want } of [
    { selector: "", want: true },
    { selector: "mcp=true", want: true },
    { selector: " mcp == true , tier!=dev ", want: true },
    { selector: "mcp=false", want: false },
    { selector: "tier!=prod", want: false },
    { selector: "gone!=prod", want: true },
    { selector: "tier in (dev, prod)", want: true },
    { selector: "tier in (dev)", want: false },
    { selector: "gone in (dev)", want: false },
    { selector: "tier notin (dev,test),mcp", want: true },
    { selector: "gone notin (dev)", want: true },
    { selector: "example.com/x", want: true },
    { selector: "example.com/x=", want: true },
    { selector: "!gone", want: true },
    { selector: "!mcp", want: false },
  ]
) {
  Deno.test(`selects() says ${want} of "${selector}"`, () => {
    assertEquals(selects(parseSelector(selector), LABELS), want);
  });
}

for (
  const selector of ["=x", "a=b=c", "a in dev", "a in (b", "a b", "!", "a>1"]
) {
  Deno.test(`parseSelector() refuses "${selector}"`, () => {
    assertThrows(() => parseSelector(selector), SyntaxError, "label selector");
  });
}
